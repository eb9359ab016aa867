import { RegistryAuthError } from './attempt.js';
import { Flights } from './flights.js';
import { Gates, type Lead } from './gate.js';
import type { KnownRegistry } from './known-registry.js';
import type { SessionEvent } from './session-event.js';

/** Held by a request that asks for others, too, what its registry wants. */
export interface Question {
  /** It is known, so that others go on; or it was not found out, so that the one that waits longest asks. Said again, it has no effect. */
  over(): void;
}

/** Finds out what registries want of which nothing is known, each once for all that begin meanwhile. */
export class Inquiry {
  readonly #gates = new Gates();
  readonly #pings = new Flights<void>();

  constructor(private readonly tell: (event: Omit<SessionEvent, 'id'>) => void) {}

  /**
   * Resolves with the question, if the request is to ask it by itself, without anything that proves who sends it. By that answer the first
   * token is for the right name also where names are rewritten, and it costs no request of its own. One that cannot be sent twice has
   * the registry asked apart from it, also if others have been served without a proof: that may be so for reading alone.
   *
   * @throws RegistryAuthError; the signal's reason
   */
  async begin(registry: KnownRegistry, isRepeatable: boolean, signal?: AbortSignal): Promise<Question | undefined> {
    while (isBlank(registry)) {
      const lead = await this.#gates.enter(registry.origin, signal);
      if (lead && !isBlank(registry)) lead.open();
      else if (lead) return isRepeatable ? questionTo(registry, lead) : this.#apart(registry, lead, signal);
      else if (!isRepeatable && isBlank(registry)) return undefined; // it did not answer, a moment ago
    }
    if (!registry.hasSaid && (!isRepeatable || registry.settings.realm !== undefined)) await this.ping(registry, signal);
    return undefined;
  }

  /**
   * Asks what it wants, apart from any request. If there is no answer, nothing is known after it.
   *
   * @throws RegistryAuthError; the signal's reason
   */
  ping(registry: KnownRegistry, signal?: AbortSignal): Promise<void> {
    return this.#pings.join(registry.origin, (aborted) => this.#discover(registry, aborted), signal);
  }

  abortAll(reason: Error): void {
    this.#gates.failAll(reason);
    this.#pings.abortAll(reason);
  }

  /** Those who wait go on whatever comes of it: that there is no answer is not for each of them to wait for. */
  async #apart(registry: KnownRegistry, lead: Lead, signal?: AbortSignal): Promise<undefined> {
    try {
      await this.ping(registry, signal);
    } catch (error) {
      lead.handOver();
      throw error;
    }
    lead.open();
  }

  async #discover(registry: KnownRegistry, signal: AbortSignal): Promise<void> {
    try {
      await registry.discover(signal);
    } catch (error) {
      const { origin } = registry;
      if (error instanceof RegistryAuthError && !signal.aborted) this.tell({ kind: 'refused', origin, scopes: [], why: error.message });
      throw error;
    }
  }
}

function isBlank({ scheme, settings }: KnownRegistry): boolean {
  return scheme === 'unknown' && settings.realm === undefined;
}

function questionTo(registry: KnownRegistry, lead: Lead): Question {
  return { over: () => (registry.scheme === 'unknown' ? lead.handOver() : lead.open()) };
}
