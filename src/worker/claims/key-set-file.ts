import { type KeySet, mayReplace, readKeySet } from '../../signatures/key-set.js';
import { SignatureError } from '../../signatures/signature-error.js';
import { SetupError } from '../state/setup-error.js';
import type { StateDir } from '../state/state-dir.js';
import { readTrusted } from '../state/trusted-path.js';

/** Bytes. A thousand keys are a third of it. */
const MOST_BYTES = 1024 * 1024;

/** In the state directory: which set was believed last. */
const LAST_FILE = 'key-set.json';

type Known = Pick<KeySet, 'version' | 'digest'>;

interface Where {
  path: string;
  stateDir: StateDir;
  /** Told once of each thing that goes wrong, and of each set that is believed. */
  log: (message: string) => void;
}

/**
 * The key set in a file, which may be replaced at any time. The last one that was good stays where the file is broken, gone, open to
 * others, or older than what was believed before, also before a restart.
 */
export class KeySetFile {
  /** How often a look at the file ended badly, and why the last look did, if so. */
  failures = 0;
  lastFailure: string | undefined;

  #set: KeySet | undefined;
  #bytes: Buffer | undefined;

  private constructor(
    private readonly where: Where,
    private remembered: Known | undefined,
  ) {}

  /** Throws SetupError where others decide what the file says. Without a good set in it, there is none until there is one. */
  static open(where: Where): KeySetFile {
    const file = new KeySetFile(where, lastKnown(where.stateDir));
    try {
      file.#look();
    } catch (error) {
      if (error instanceof SetupError) throw error;
      file.#fail(error);
    }
    return file;
  }

  /**
   * The set as it is at this moment, frozen: ask once for each claim. The file is read each time (some 50 µs), so what was put there
   * before is what is answered; times of files are too coarse to tell that nothing was.
   */
  current(): KeySet | undefined {
    try {
      this.#look();
      this.lastFailure = undefined;
    } catch (error) {
      this.#fail(error);
    }
    return this.#set;
  }

  #look(): void {
    const bytes = readTrusted(this.where.path, MOST_BYTES);
    if (!this.#bytes?.equals(bytes)) this.#take(bytes);
    this.#remember(this.#set!);
  }

  #take(bytes: Buffer): void {
    const set = readKeySet(textOf(bytes));
    const old = this.#set ?? this.remembered;
    if (old && !mayReplace(old, set)) throw rollback(old, set);
    [this.#set, this.#bytes] = [set, bytes];
    this.where.log(`Signatures are verified by version ${set.version} of the key set in ${this.where.path}`);
  }

  /** After it was taken: a key that is revoked must not be believed any longer because a disk is full. It is tried again each time. */
  #remember({ version, digest }: KeySet): void {
    if (this.remembered?.digest === digest) return;
    const known = { version, digest };
    this.where.stateDir.replace(LAST_FILE, JSON.stringify(known));
    this.remembered = known;
  }

  #fail(error: unknown): void {
    const { message } = error as Error;
    this.failures++;
    if (message === this.lastFailure) return;
    this.lastFailure = message;
    const kept = this.#set ? `version ${this.#set.version} is still believed` : 'there is none to verify signatures by';
    this.where.log(`The key set in ${this.where.path} cannot be used, ${kept}: ${message}`);
  }
}

function lastKnown(stateDir: StateDir): Known | undefined {
  const text = stateDir.read(LAST_FILE);
  if (text === undefined) return undefined;
  const fix = 'remove it, if the key set in use is surely the newest; a copy from a backup may allow an older one';
  try {
    const { version, digest } = JSON.parse(text) as Known;
    if (Number.isSafeInteger(version) && typeof digest === 'string') return { version, digest };
  } catch {
    // said below
  }
  throw new SetupError(`${LAST_FILE} in the state directory is damaged: ${fix}`);
}

function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new SignatureError('keyset-invalid', 'The key set is refused: it is not UTF-8');
  }
}

function rollback(old: Known, next: Known): SignatureError {
  const what = next.version === old.version ? 'it says something else under the same version' : 'it is older';
  return new SignatureError(
    'keyset-invalid',
    `The key set is refused: it has version ${next.version}, and version ${old.version} was believed before; ${what}. Raise its version`,
  );
}
