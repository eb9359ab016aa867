import { RegistryAuthError } from './attempt.js';
import { nameOf as requestedName } from './explanations.js';
import type { Flights } from './flights.js';
import type { BearerChallenge } from './known-registry.js';
import { quotedScope } from './quoting.js';
import { scopesToAsk } from './registry-scope.js';
import type { RequestNeeds } from './request-needs.js';
import type { SessionEvent } from './session-event.js';
import type { Token, TokenCache } from './token-cache.js';
import type { TokenClient } from './token-client.js';
import { usedUntil } from './token-life.js';

export interface TokenSourceParts {
  cache: TokenCache;
  client: TokenClient;
  flights: Flights<Token>;
  now: () => number;
  tell: (event: Omit<SessionEvent, 'id'>) => void;
}

/** Tokens of one session: those it has, and those it gets, each once for all that need it at the time. */
export class TokenSource {
  constructor(private readonly parts: TokenSourceParts) {}

  atHand({ key, required }: RequestNeeds): Token | undefined {
    return this.parts.cache.tokenFor(key, required.scopes);
  }

  /** What to ask for without having been told: as last time, or as the request has it, unless that is wrong at this registry. */
  asksOf(needs: RequestNeeds): readonly string[] | undefined {
    const { key, required, registry } = needs;
    return this.parts.cache.asksFor(key, required.scopes) ?? (registry.rewrites ? undefined : unchallenged(needs));
  }

  /**
   * @param narrower asked for where `asks` are refused as too much
   * @throws RegistryAuthError; the signal's reason
   */
  fetch(needs: RequestNeeds, asks: readonly string[], narrower?: readonly string[], signal?: AbortSignal): Promise<Token> {
    const flight = JSON.stringify([needs.key.text, asks, needs.required.scopes]);
    return this.parts.flights.join(flight, (aborted) => this.#get(needs, asks, narrower, aborted), signal);
  }

  /**
   * What to ask for after a challenge. It is kept for the next time. Of a challenge for another repository nothing is kept, not even that
   * there are tokens: whoever is behind a gateway could be the first to be asked.
   *
   * @throws RegistryAuthError
   */
  asksAfter(needs: RequestNeeds, challenge: BearerChallenge): readonly string[] {
    const { registry, required } = needs;
    this.parts.tell({ kind: 'challenged', origin: registry.origin, scopes: required.scopes });
    const asks = scopesToAsk(required, challenge.scope, registry.settings.rewrites);
    if (!asks)
      throw new RegistryAuthError(
        'bad-challenge',
        `${registry.origin} asks for a token for ${quotedScope(challenge.scope)} where ${requestedName(required)} needs ${required.scopes.join(' ')}; no token is asked for that is for another repository. If it is the same one, say so in the registry's rewrites`,
      );
    registry.challenged(challenge);
    this.#learnAsks(needs, asks);
    return asks;
  }

  /** What to ask for from now on. If it is for a name that nobody could have known, no other can be known at this registry, either. */
  #learnAsks(needs: RequestNeeds, asks: readonly string[]): void {
    const { key, required, registry } = needs;
    const foreseen = new Set(unchallenged(needs).map(nameOf));
    if (!asks.every((scope) => foreseen.has(nameOf(scope)))) registry.learnRewrites();
    this.parts.cache.learnAsks(key, required.scopes, asks);
  }

  async #get(needs: RequestNeeds, scopes: readonly string[], narrower: readonly string[] | undefined, signal: AbortSignal): Promise<Token> {
    const { registry, credential, key, required } = needs;
    const server = registry.tokenServer;
    if (!server) throw new RegistryAuthError('bad-challenge', `${registry.origin} has not said where its tokens are`);
    const about = { origin: registry.origin, realm: server.realm.origin };
    try {
      const answer = await this.parts.client.fetch({ ...server, scopes, narrower, credential, settings: registry.settings }, signal);
      signal.throwIfAborted(); // what comes after the end of the session is not kept
      const token = { text: answer.text, covers: required.scopes, asked: answer.asked, usedUntil: usedUntil(answer, this.parts.now()) };
      this.parts.cache.keep(key, token);
      this.parts.tell({ kind: 'asked', ...about, scopes: answer.asked });
      return token;
    } catch (error) {
      if (error instanceof RegistryAuthError) this.parts.tell({ kind: 'refused', ...about, scopes, why: error.message });
      throw error;
    }
  }
}

/** What a challenge that names no registry scope would make us ask for. */
function unchallenged({ required, registry }: RequestNeeds): readonly string[] {
  return scopesToAsk(required, undefined, registry.settings.rewrites) ?? required.scopes;
}

/** Type and name, without the actions. */
function nameOf(scope: string): string {
  return scope.slice(0, scope.lastIndexOf(':'));
}
