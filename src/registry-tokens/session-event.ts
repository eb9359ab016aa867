/** What a session has done, or has been told, for a log. No secret is in it: what a registry could have repeated of one is left out. */
export interface SessionEvent {
  /**
   * `challenged`: a registry has asked for a token, or for a password. `asked`: a token server has given one. `refused`: there is none, or
   * none was asked for, because of `why`.
   */
  kind: 'challenged' | 'asked' | 'refused';
  /** The session's. */
  id: string;
  /** The registry's. */
  origin: string;
  /** Where a token was asked for. */
  realm?: string;
  /** Registry scopes: of the request where a registry has challenged or nothing was asked for, or as they were asked for. */
  scopes: readonly string[];
  why?: string;
}
