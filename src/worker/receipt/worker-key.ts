import { statSync } from 'node:fs';
import type { SigningAlg } from '../../signatures/algorithms.js';
import { SignatureError } from '../../signatures/signature-error.js';
import { signerOf, type TaskSigner } from '../../signatures/signer.js';
import { parseStrictJson } from '../../signatures/strict-json.js';
import { SetupError } from '../state/setup-error.js';
import { readTrusted, trustedPath } from '../state/trusted-path.js';

/** Bytes. A key has a tenth of it. */
const MOST_BYTES = 4096;

const OTHERS = 0o077;

/** The worker's private key, by which it signs receipts. It cannot be had from here again, and is in nothing that is printed or handed on. */
export class WorkerKey implements TaskSigner {
  readonly kid: string;
  readonly alg: SigningAlg;
  readonly #signer: TaskSigner;

  private constructor(signer: TaskSigner) {
    this.kid = signer.kid;
    this.alg = signer.alg;
    this.#signer = signer;
  }

  /**
   * The key in a file, as `npm run signatures -- keygen` makes it. Throws SetupError, without a byte of the key, if others can read the file
   * or put another one in its place, or it has no key that signs.
   */
  static open(file: string): WorkerKey {
    const text = trusted(file, () => {
      if ((statSync(trustedPath(file)).mode & OTHERS) !== 0)
        throw new SetupError(`${file} is open to others; chmod 600 it, and replace the key if one of them may have read it`);
      return readTrusted(file, MOST_BYTES).toString();
    });
    try {
      return new WorkerKey(signerOf(parseStrictJson(text)));
    } catch (error) {
      const why = error instanceof SignatureError ? error.detail : 'it is not JSON';
      throw new SetupError(`${file} has no key that signs receipts: ${why}; make one with npm run signatures -- keygen`);
    }
  }

  sign(bytes: Uint8Array): Promise<Uint8Array> {
    return this.#signer.sign(bytes);
  }
}

function trusted<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SetupError) throw error;
    throw new SetupError(
      `The worker's key ${file} cannot be read (${(error as NodeJS.ErrnoException).code}); name the file of a private key`,
    );
  }
}
