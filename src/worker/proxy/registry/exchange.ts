import { Agent as HttpAgent, type OutgoingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { dialableKinds } from '../../../registry-tokens/addresses.js';
import { type Attempt, type Authorizer, RegistryAuthError } from '../../../registry-tokens/attempt.js';
import type { ConfiguredRegistry } from '../../config/registries.js';
import type { ProxyLimits } from '../limits.js';
import { scopesOfRun } from './registry-authority.js';
import { RegistryRefusal } from './registry-refusal.js';
import { type Answered, type Body, type Sending, sendToRegistry } from './send-to-registry.js';

/** Connections that are kept for the next request of a run, and for how long: a copy asks for one blob after the other. */
const KEPT = { keepAlive: true, maxFreeSockets: 8, timeout: 15_000 };

const READING = ['GET', 'HEAD'];

export interface Question {
  registry: ConfiguredRegistry;
  method: string;
  /** What it is asked for by the step: what it needs follows from that. */
  asked: string;
  /** Path and query, as they are sent, where that is not the same: of an upload. */
  target?: string;
  headers: OutgoingHttpHeaders;
  body?: Body;
  signal: AbortSignal;
  most: ProxyLimits;
}

export interface Reply {
  answer: Answered;
  /** As it was sent last. */
  sending: Sending;
  /** Why it was not asked again, if it was refused. */
  explained?: string;
}

/** Asks one registry for a run: with the token that a request needs, and once more where it must be another one. */
export class Exchange {
  readonly #agents = [new HttpAgent(KEPT), new HttpsAgent(KEPT)] as const;

  constructor(private readonly authorizer: Authorizer) {}

  /** @throws RegistryRefusal where there is no answer that could be passed on */
  async ask(question: Question): Promise<Reply> {
    const first = await this.#begin(question);
    const reply = await this.#send(question, first);
    const second = await this.#answered(question, first, reply);
    if (second === undefined) return { ...reply, ...explanation(first, question) };
    if (typeof question.body === 'function') {
      second.abandoned();
      return { ...reply, explained: 'what was streamed cannot be sent again; begin the upload anew' };
    }
    reply.answer.destroy();
    const last = await this.#send(question, second);
    (await this.#answered(question, second, last))?.abandoned(); // twice is all
    return { ...last, ...explanation(second, question) };
  }

  close(): void {
    for (const agent of this.#agents) agent.destroy();
  }

  async #begin({ registry, method, asked, signal }: Question): Promise<Attempt> {
    try {
      return await this.authorizer.begin({ origin: registry.origin, method, target: asked }, signal);
    } catch (error) {
      throw inWords(error, registry);
    }
  }

  async #answered({ registry, signal }: Question, attempt: Attempt, { answer }: Reply): Promise<Attempt | undefined> {
    try {
      return await attempt.answered(answer.statusCode ?? 0, answer.headersDistinct['www-authenticate'] ?? [], signal);
    } catch (error) {
      answer.destroy();
      throw inWords(error, registry);
    }
  }

  async #send(question: Question, attempt: Attempt): Promise<Reply> {
    const { registry, method, asked, target = asked, headers, body, signal, most } = question;
    const url = new URL(registry.origin);
    const sending: Sending = {
      ...{ url, target, method, body, signal, most, kinds: dialableKinds(url.hostname, registry.addresses) },
      headers: { ...headers, ...(attempt.authorization !== undefined && { authorization: attempt.authorization }) },
      // others have a connection of their own: one that was kept may be closed just when what cannot be repeated is sent
      agent: READING.includes(method) && this.#agents[url.protocol === 'https:' ? 1 : 0],
      ...(registry.ca !== undefined && { ca: registry.ca }),
    };
    try {
      return { answer: await sendToRegistry(sending), sending };
    } catch (error) {
      attempt.abandoned();
      throw inWords(error, registry);
    }
  }
}

function explanation({ explained, lacking = [] }: Attempt, { registry }: Question): { explained?: string } {
  if (explained === undefined) return {};
  const missing = scopesOfRun(registry, lacking);
  return { explained: missing.length === 0 ? explained : `${explained}. The task needs ${missing.join(' and ')} among its scopes` };
}

const STATUS: Partial<Record<RegistryAuthError['code'], number>> = {
  'token-refused': 403,
  'unknown-registry': 404,
  'token-server-failed': 503,
  released: 503,
};

function inWords(error: unknown, { name }: ConfiguredRegistry): unknown {
  if (!(error instanceof RegistryAuthError)) return error;
  const status = STATUS[error.code] ?? 502;
  return new RegistryRefusal(status, status === 403 ? 'DENIED' : 'UNKNOWN', `${name}: ${error.message}`, { reason: error.code });
}
