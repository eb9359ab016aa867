import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type Attempt, type Authorizer, RegistryAuthError, type RegistryRequest } from './attempt.js';
import { Flights } from './flights.js';
import { Gates } from './gate.js';
import { type Exchange, exchange } from './http-exchange.js';
import { Inquiry } from './inquiry.js';
import { KnownRegistry } from './known-registry.js';
import { NO_PROOF, type Proof, Proofs } from './proofs.js';
import { requiredScopes } from './registry-scope.js';
import type { RegistrySettings } from './registry-settings.js';
import { type AttemptParts, RequestAttempt, type Sending } from './request-attempt.js';
import { needsOf, type RequestNeeds, type SessionMode } from './request-needs.js';
import type { SessionEvent } from './session-event.js';
import { SESSION_LIMITS, type SessionLimits } from './session-limits.js';
import { type Token, TokenCache } from './token-cache.js';
import { TokenClient, type Wait } from './token-client.js';
import { TokenSource } from './token-source.js';

export interface RegistrySessionOptions {
  /** Of whoever the session is for. It is told with events, and part of every key. */
  id: string;
  registries: readonly RegistrySettings[];
  mode?: SessionMode;
  limits?: Partial<SessionLimits>;
  onEvent?: (event: SessionEvent) => void;
  /** Milliseconds, monotonic. */
  now?: () => number;
  /** How long to wait for a token server that is busy. */
  wait?: Wait;
  /** How requests for tokens, and the first one to a registry, are sent. */
  exchange?: Exchange;
}

/**
 * Authorizes the requests of one client to registries, and of no other: it shares nothing with other sessions. It holds credentials and
 * tokens until it is released.
 */
export class RegistrySession implements Authorizer {
  readonly #registries: Map<string, KnownRegistry>;
  readonly #cache: TokenCache;
  readonly #parts: AttemptParts;
  readonly #gates = new Gates();
  readonly #flights = new Flights<Token>();
  readonly #inquiry: Inquiry;
  readonly #maker: { id: string; secret: Uint8Array; mode: SessionMode };
  #released = false;

  constructor(options: RegistrySessionOptions) {
    const { id, registries, mode = 'scopes', onEvent, now = () => performance.now(), wait = waited, exchange: send = exchange } = options;
    const limits = { ...SESSION_LIMITS, ...options.limits };
    const known = registries.map((settings) => new KnownRegistry(settings, send, limits));
    this.#registries = new Map(known.map((registry) => [registry.origin, registry]));
    this.#maker = { id, mode, secret: randomBytes(32) };
    this.#cache = new TokenCache(limits.keys, now);
    const tell = (event: Omit<SessionEvent, 'id'>) => onEvent?.({ id, ...event });
    const client = new TokenClient(send, limits, wait);
    const tokens = new TokenSource({ cache: this.#cache, client, flights: this.#flights, now, tell });
    this.#inquiry = new Inquiry(tell);
    this.#parts = {
      tokens,
      proofs: new Proofs(tokens, this.#cache),
      cache: this.#cache,
      inquiry: this.#inquiry,
      tell,
      assertHeld: () => this.#assertHeld(),
    };
  }

  /** How many keys it holds something for: none after `release`. */
  get size(): number {
    return this.#cache.size;
  }

  async begin(request: RegistryRequest, signal?: AbortSignal): Promise<Attempt> {
    this.#assertHeld();
    const registry = this.#registryOf(request.origin);
    const required = requiredScopes(request);
    if (!required) return UNPROVEN;
    const needsNow = () => needsOf(required, registry, this.#cache, this.#maker);
    const { method, isRepeatable = ['GET', 'HEAD'].includes(method) } = request;
    const isOpen = this.#cache.isOpen(needsNow().key);
    const question = isOpen ? undefined : await this.#inquiry.begin(registry, isRepeatable, signal);
    try {
      const needs = needsNow(); // others may have been here meanwhile
      return question ? this.#send({ needs, proof: NO_PROOF, question }) : await this.#prove(needs, signal);
    } catch (error) {
      question?.over(); // a credential that cannot say whose it is would keep the others waiting
      throw error;
    }
  }

  /** Forgets all it holds, and breaks off what is under way. What comes later is thrown away. */
  release(): void {
    this.#released = true;
    const released = releasedError();
    this.#gates.failAll(released);
    this.#flights.abortAll(released);
    this.#inquiry.abortAll(released);
    this.#cache.wipe();
    this.#registries.clear();
  }

  async #prove(needs: RequestNeeds, signal?: AbortSignal): Promise<Attempt> {
    const { proofs } = this.#parts;
    const proof = await proofs.obtain(needs, signal);
    return proof && proofs.isSure(needs, proof) ? this.#send({ needs, proof }) : this.#probe(needs, proof, signal);
  }

  /** Asks the registry by the request itself. One goes first; the others wait for what comes of it. */
  async #probe(needs: RequestNeeds, obtained: Proof | undefined, signal?: AbortSignal): Promise<Attempt> {
    const { proofs } = this.#parts;
    const lead = await this.#gates.enter(needs.key.text, signal);
    const proof = proofs.atHand(needs) ?? obtained ?? NO_PROOF;
    if (!proofs.isSure(needs, proof)) return this.#send({ needs, proof, lead });
    lead?.open();
    return this.#send({ needs, proof });
  }

  #send(sending: Omit<Sending, 'parts'>): Attempt {
    this.#assertHeld();
    return new RequestAttempt({ ...sending, parts: this.#parts });
  }

  #registryOf(origin: string): KnownRegistry {
    const registry = URL.canParse(origin) ? this.#registries.get(new URL(origin).origin) : undefined;
    if (registry) return registry;
    const named = URL.canParse(origin) ? new URL(origin).origin : 'It';
    throw new RegistryAuthError('unknown-registry', `${named} is none of the registries that are configured`);
  }

  #assertHeld(): void {
    if (this.#released) throw releasedError();
  }
}

/** Of a request that names no repository, as `/v2/`: nothing is known that it could need. */
const UNPROVEN: Attempt = { answered: async () => undefined, abandoned: () => undefined };

function waited(ms: number, signal: AbortSignal): Promise<void> {
  return pause(ms, undefined, { signal });
}

function releasedError(): RegistryAuthError {
  return new RegistryAuthError('released', 'The session is over: there are no tokens any more');
}
