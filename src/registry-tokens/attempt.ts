/** One request to a registry, as its line has it: what it needs follows from that alone. */
export interface RegistryRequest {
  /** Of the registry; scheme, host and port. */
  origin: string;
  method: string;
  /** Path and query. */
  target: string;
  /** It can be sent twice, so that it can ask the registry what it wants. Unless said otherwise, GET and HEAD can. */
  isRepeatable?: boolean;
}

/**
 * One sending of a request. Whoever holds it must tell how it went, by one of its two methods: others may be waiting for that.
 * A request is sent twice at most.
 */
export interface Attempt {
  /** The Authorization header to send it with. Secret. Absent: without one. */
  readonly authorization?: string;
  /**
   * Tells how the registry has answered. Resolves with what to send it with once more, or with undefined: the answer is final, and why it
   * was not asked again (if it was a refusal) is in `explained`. `challenges` are the WWW-Authenticate headers, one by one.
   */
  answered(status: number, challenges: readonly string[], signal?: AbortSignal): Promise<Attempt | undefined>;
  /** There will be no answer: the request was broken off. */
  abandoned(): void;
  /** Why the last answer was final, for people: which scope of which repository is missing, or which realm is not trusted. No secret. */
  readonly explained?: string;
  /** Registry scopes that whoever is asked as seems to lack, one or more of them, if that is why. */
  readonly lacking?: readonly string[];
}

/** Something that can authorize requests to registries: a session. */
export interface Authorizer {
  /**
   * Waits for a token where one is needed, and for whoever is finding out the same. The first at a registry is to be sent without one, and
   * finds it out. Rejects with RegistryAuthError.
   */
  begin(request: RegistryRequest, signal?: AbortSignal): Promise<Attempt>;
}

/** Why there is no token: `message` names origins, repositories and the fix, and no secret. */
export class RegistryAuthError extends Error {
  constructor(
    readonly code:
      | 'realm-not-trusted'
      | 'address-refused'
      | 'bad-challenge'
      | 'token-refused'
      | 'token-server-failed'
      | 'unknown-registry'
      | 'released',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
