/** What is wrong with a receipt. Programs tell refusals apart by these; they stay. */
export const RECEIPT_CODES = [
  /** It is not in the one form that a receipt has. */
  'receipt-malformed',
  /** It would be larger than anybody reads. */
  'receipt-too-large',
  /** The key set has no such key. */
  'receipt-unknown-key',
  /** It was not signed by that key over those bytes. */
  'receipt-invalid',
  /** What was signed is no statement of a run. */
  'receipt-statement-invalid',
  /** The key is revoked, or was not valid when the run ended. */
  'receipt-key-not-valid',
  /** The key may not sign for that task queue. */
  'receipt-key-not-allowed',
  /** The run ends in the future. */
  'receipt-not-yet-valid',
  /** The key set has expired. */
  'keyset-unavailable',
] as const;
export type ReceiptCode = (typeof RECEIPT_CODES)[number];

/** Characters. Names in it may be those of whoever made the receipt. */
const LONGEST_DETAIL = 1000;

/** `detail` says what is wrong and the fix. It has names in it, and neither key bytes nor values of results. */
export class ReceiptError extends Error {
  readonly detail: string;

  constructor(
    readonly code: ReceiptCode,
    detail: string,
  ) {
    const shown = detail.length > LONGEST_DETAIL ? `${detail.slice(0, LONGEST_DETAIL)}…` : detail;
    super(`${code}: ${shown}`);
    this.detail = shown;
  }
}
