/** What a token server says about how long a token is good. */
export interface TokenTimes {
  /** Seconds since it was issued. */
  expiresIn?: number;
  /** By the server's clock, as milliseconds since 1970. */
  issuedAt?: number;
  /** Of the answer's Date header, by the same clock. */
  answeredAt?: number;
}

/** Seconds, where nothing is said: https://distribution.github.io/distribution/spec/auth/token/ */
const UNSAID = 60;
/** Seconds. What is good for longer is asked for again, which costs one request. */
const LONGEST = 3_600;
/** A token that ends under way would be refused in the middle of an upload. */
const USED = 0.9;

/**
 * Until when a token is used, by the monotonic clock of `received`, in milliseconds. Not later than `received`: it is good for the request
 * at hand only. How old it was when it came follows from the server's clock alone, so it does not matter whether that is right.
 */
export function usedUntil({ expiresIn = UNSAID, issuedAt, answeredAt }: TokenTimes, received: number): number {
  const age = issuedAt === undefined || answeredAt === undefined ? 0 : Math.max(0, answeredAt - issuedAt) / 1_000;
  const life = Math.min(expiresIn, LONGEST) - age;
  return received + USED * life * 1_000;
}
