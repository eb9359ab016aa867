import { type Redaction, Redactor } from '../artifacts/redactor.js';

/**
 * Takes out of what a run prints what nobody may read there: first the secrets, which are looked for in ever the same way, and then the
 * access tokens of the run, of which each reclaim brings another one. A secret of 16 KiB takes a quarter of a second to prepare for, in
 * which nothing else happens; a token must not bring that about again.
 */
export class RunRedactor implements Redaction {
  readonly #secrets: Redactor;
  readonly #tokens = new Redactor([]);
  readonly #known = new Set<string>();

  /** With the secrets of that one, for every run. */
  constructor(always: Redactor) {
    this.#secrets = new Redactor(always);
  }

  /** Those that the steps of this run are given. To be called once, with all. */
  addSecrets(secrets: readonly string[]): void {
    this.#secrets.add(secrets);
  }

  addToken(token: string): void {
    if (this.#known.has(token)) return;
    this.#known.add(token);
    this.#tokens.add([token]);
  }

  push(chunk: Buffer): Buffer {
    return this.#tokens.push(this.#secrets.push(chunk));
  }

  end(): Buffer {
    return Buffer.concat([this.#tokens.push(this.#secrets.end()), this.#tokens.end()]);
  }
}
