/** What is wrong with a signature, a definition or a key set. Programs and retry rules tell refusals apart by these; they stay. */
export const SIGNATURE_CODES = [
  /** There is none. */
  'signature-missing',
  /** It is not in the one form that a signature of a task has. */
  'signature-malformed',
  /** The key set has no such key. Another worker may have a newer set. */
  'signature-unknown-key',
  /** It was not made by that key over those bytes. */
  'signature-invalid',
  /** What was signed, or is to be, is not a task in its canonical form. */
  'signature-payload-invalid',
  /** It is of another task, task queue or deployment, or the run is one too many. */
  'signature-context-mismatch',
  'signature-expired',
  'signature-not-yet-valid',
  /** The key is revoked, or not valid at that time. */
  'signature-key-not-valid',
  /** The key may not sign for that task queue. */
  'signature-key-not-allowed',
  /** The queue's copy is not what was signed. */
  'definition-mismatch',
  /** The definition that was signed is not in the form in which it would be stored. */
  'signed-definition-not-normalized',
  /** The definition sets a variable of the environment that is not a task's to set. */
  'definition-reserved-env',
  /** There is no key set, or it has expired. */
  'keyset-unavailable',
  'keyset-invalid',
  /** We failed. */
  'signature-check-error',
] as const;
export type SignatureCode = (typeof SIGNATURE_CODES)[number];

/** Characters. Names in it may be those of whoever made the signature. */
const LONGEST_DETAIL = 1000;

/** What a signature says of itself, as far as it could be read. Nobody has vouched for it. */
export interface Claimed {
  kid?: string;
  payloadDigest?: string;
}

/** `detail` says what is wrong and the fix. It has neither key bytes nor values of the definition in it, only names. */
export class SignatureError extends Error {
  readonly detail: string;
  /** Whose signature that was, by its own word. */
  claimed: Claimed = {};

  constructor(
    readonly code: SignatureCode,
    detail: string,
    options?: ErrorOptions,
  ) {
    const shown = detail.length > LONGEST_DETAIL ? `${detail.slice(0, LONGEST_DETAIL)}…` : detail;
    super(`${code}: ${shown}`, options);
    this.detail = shown;
  }
}
