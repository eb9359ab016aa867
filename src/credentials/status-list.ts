/** Tokens in one status list: 16 KiB of one bit each, and a fraction of that as it is sent, since nearly all of them are alike. */
const LIST_LENGTH = 131_072;

/** Where a token's status is told: `idx` of the list at `uri`. */
export interface StatusReference {
  status_list: { idx: number; uri: string };
}

/** The place of the token that was the nth of all to be issued. */
export function statusReference(issuer: string, nth: number): StatusReference {
  const list = Math.floor(nth / LIST_LENGTH);
  return { status_list: { idx: nth % LIST_LENGTH, uri: `${issuer}/oauth/status-lists/${list}` } };
}
