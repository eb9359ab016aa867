import { secretsOf } from './credential-choice.js';
import type { RequestNeeds } from './request-needs.js';
import type { Token, TokenCache } from './token-cache.js';
import { basicAuthorization } from './token-request.js';
import type { TokenSource } from './token-source.js';

/** How a request is sent. */
export type Proof = { kind: 'none' } | { kind: 'basic' } | { kind: 'bearer'; token: Token };

export const NO_PROOF: Proof = { kind: 'none' };

/** The Authorization header. Secret. */
export function authorizationOf(proof: Proof, { credential }: RequestNeeds): string | undefined {
  if (proof.kind === 'bearer') return `Bearer ${proof.token.text}`;
  return proof.kind === 'basic' && credential?.kind === 'basic' ? basicAuthorization(credential) : undefined;
}

/** What requests can be sent with, as far as that is known of their registry before they are. */
export class Proofs {
  constructor(
    private readonly tokens: TokenSource,
    private readonly cache: TokenCache,
  ) {}

  /** What a registry could answer with, as the name of a host or of a repository: what it was sent, now or before. */
  secrets(needs: RequestNeeds, ...sent: (Proof | undefined)[]): readonly string[] {
    const headers = sent.flatMap((proof) => (proof && authorizationOf(proof, needs)?.split(' ')[1]) ?? []);
    return [...headers, ...(needs.credential ? secretsOf(needs.credential) : []), ...this.cache.secrets()];
  }

  atHand(needs: RequestNeeds): Proof | undefined {
    const token = this.tokens.atHand(needs);
    if (token) return { kind: 'bearer', token };
    if (needs.registry.scheme === 'basic' && needs.credential?.kind === 'basic') return { kind: 'basic' };
    return this.cache.isOpen(needs.key) ? NO_PROOF : undefined;
  }

  /**
   * One that is there, or can be had without asking the registry; otherwise nothing.
   *
   * @throws RegistryAuthError; the signal's reason
   */
  async obtain(needs: RequestNeeds, signal?: AbortSignal): Promise<Proof | undefined> {
    const asks = needs.registry.scheme === 'bearer' ? this.tokens.asksOf(needs) : undefined;
    const proof = this.atHand(needs);
    if (proof || !asks) return proof;
    const isOwn = asks.join(' ') === needs.required.scopes.join(' ');
    return { kind: 'bearer', token: await this.tokens.fetch(needs, asks, isOwn ? needs.narrower : undefined, signal) };
  }

  /** Whether it will do, as far as one can know. Until a registry has taken a token, it may be one that wants them for other names. */
  isSure({ registry, key }: RequestNeeds, { kind }: Proof): boolean {
    if (kind === 'bearer') return registry.isProven;
    return kind === 'basic' || this.cache.isOpen(key);
  }
}
