/** How much a session takes from others. Each can be exceeded by one who is hostile only. */
export interface SessionLimits {
  /** Tokens that are kept at once. */
  keys: number;
  /** Bytes of an answer of a token server. */
  answerBytes: number;
  /** Bytes of a token. It becomes a header, and servers take about so much of all headers together. */
  tokenBytes: number;
  /** For a token, with all that is tried for it, and for the question what a registry wants. */
  answerMs: number;
  /** How often a token server is asked that is busy (429) or broken (5xx). */
  tries: number;
}

export const SESSION_LIMITS: SessionLimits = {
  keys: 256,
  answerBytes: 128 * 1024,
  tokenBytes: 16 * 1024,
  answerMs: 10_000,
  tries: 3,
};
