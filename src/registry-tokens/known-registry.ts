import { dialableKinds } from './addresses.js';
import { RegistryAuthError } from './attempt.js';
import { type Challenge, parseChallenges } from './challenge.js';
import type { Exchange } from './http-exchange.js';
import { trustedRealm } from './realm.js';
import type { RegistrySettings } from './registry-settings.js';
import type { SessionLimits } from './session-limits.js';

export type BearerChallenge = Extract<Challenge, { scheme: 'bearer' }>;

/** What a session knows of one registry, and what it holds the registry to. */
export class KnownRegistry {
  /** `open`: it has answered without asking who is there. That may be so for some requests only, unless it has said so. */
  #scheme: 'unknown' | 'open' | 'basic' | 'bearer' = 'unknown';
  #realm?: URL;
  #service?: string;
  /** Its challenges name repositories otherwise than its paths do, so what to ask for is not known before. */
  #rewrites = false;
  /** It has answered somebody who asked just that, or it has asked for a token or a password. */
  #hasSaid = false;
  /** It has taken a token. */
  #isProven = false;

  constructor(
    readonly settings: RegistrySettings,
    private readonly exchange: Exchange,
    private readonly limits: SessionLimits,
  ) {
    this.#service = settings.service;
  }

  get origin(): string {
    return new URL(this.settings.origin).origin;
  }

  get scheme(): 'unknown' | 'open' | 'basic' | 'bearer' {
    return this.#scheme;
  }

  get rewrites(): boolean {
    return this.#rewrites;
  }

  /** Whether it is known what it wants; not, as long as it has only served requests that nobody had to prove anything for. */
  get hasSaid(): boolean {
    return this.#hasSaid;
  }

  get isProven(): boolean {
    return this.#isProven;
  }

  /** Where tokens are asked for, once that is known. */
  get tokenServer(): { realm: URL; service?: string } | undefined {
    return this.#realm && { realm: this.#realm, service: this.#service };
  }

  /**
   * Finds out what it wants, before there is anything to lose: by its settings, or by one request that says nothing of who asks or what
   * for. What it says the scope were is not believed: some name a repository that is an example. If there is no answer, nothing is known,
   * and it is the request itself that is to show why.
   *
   * @throws RegistryAuthError
   */
  async discover(signal: AbortSignal): Promise<void> {
    if (this.settings.realm !== undefined) {
      this.#realm = trustedRealm(this.settings.realm, this.settings);
      this.#says('bearer');
      return;
    }
    const answer = await this.#ping(signal);
    if (answer === undefined) return;
    const bearer = bearerOf(answer);
    if (bearer) this.challenged(bearer);
    else if (answer.some(({ scheme }) => scheme === 'basic')) this.wantsBasic();
    else this.#says(this.#scheme === 'unknown' ? 'open' : this.#scheme); // it may have asked a request meanwhile
  }

  /**
   * It asks for a token. From then on it is held to the realm and the service: a repository of somebody else's behind the same gateway
   * could name a service that is not this registry's, and be sent a token for that.
   *
   * @throws RegistryAuthError
   */
  challenged({ realm, service }: BearerChallenge): void {
    const trusted = trustedRealm(realm, this.settings, this.#realm?.href);
    if (this.#service !== undefined && service !== undefined && service !== this.#service)
      throw new RegistryAuthError(
        'bad-challenge',
        `${this.origin} names another service than ${JSON.stringify(this.#service)}, so no token is asked for; if it is right, let it be the service in the registry's configuration`,
      );
    this.#realm = trusted;
    this.#service ??= service;
    this.#says('bearer');
  }

  /** It asks for a password, and has not asked for a token before. Answers whether that was its first word. */
  wantsBasic(): boolean {
    if (this.#scheme === 'unknown' || this.#scheme === 'open') this.#says('basic');
    return this.#scheme === 'basic';
  }

  /** It has served somebody of whom it knew nothing. */
  learnOpen(): void {
    if (this.#scheme === 'unknown') this.#scheme = 'open';
  }

  learnProven(): void {
    this.#isProven = true;
  }

  learnRewrites(): void {
    this.#rewrites = true;
  }

  #says(scheme: 'open' | 'basic' | 'bearer'): void {
    this.#scheme = scheme;
    this.#hasSaid = true;
  }

  async #ping(signal: AbortSignal): Promise<readonly Challenge[] | undefined> {
    const url = new URL('/v2/', this.settings.origin);
    const kinds = dialableKinds(url.hostname, this.settings.addresses);
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(this.limits.answerMs)]);
    const request = { method: 'GET', url, headers: {}, kinds, tls: this.settings.tls, most: this.limits.answerBytes } as const;
    try {
      const { status, challenges } = await this.exchange(request, bounded);
      if (status < 300 || status === 404) return [];
      const said = status === 401 ? parseChallenges(challenges) : [];
      return said.length > 0 ? said : undefined; // a refusal that does not say what is wanted is no answer
    } catch (error) {
      if (signal.aborted || error instanceof RegistryAuthError) throw error;
      return undefined;
    }
  }
}

export function bearerOf(challenges: readonly Challenge[]): BearerChallenge | undefined {
  return challenges.find((challenge): challenge is BearerChallenge => challenge.scheme === 'bearer');
}
