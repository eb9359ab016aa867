import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Authorizer } from '../../../registry-tokens/attempt.js';
import type { RequiredScopes } from '../../../registry-tokens/registry-scope.js';
import { type ConfiguredRegistry, plainHost } from '../../config/registries.js';
import { Turns } from '../../turns.js';
import type { Call } from '../pass-on.js';
import { Refusal } from '../refusal.js';
import { assertRequest } from '../request-problem.js';
import type { Handler, Route } from '../route.js';
import { madeAt, nextPage } from './answered-urls.js';
import { Exchange, type Reply } from './exchange.js';
import { passBack } from './pass-back.js';
import { assertStays, follow, isRedirect } from './redirects.js';
import { type Asking, ask } from './registry-asking.js';
import { RegistryAuthority } from './registry-authority.js';
import { isPing, registryCall } from './registry-call.js';
import { headersToRegistry } from './registry-headers.js';
import { RegistryRefusal } from './registry-refusal.js';
import { held } from './request-body.js';
import { Uploads } from './uploads.js';

/** A layer may be larger than what our API takes. */
const MOST_BLOB = 10 * 1024 ** 3;
/** Manifests that are held at once, 4 MiB each. */
const HELD_AT_ONCE = 4;
const READING = ['GET', 'HEAD'];
const METHODS = [...READING, 'POST', 'PUT', 'PATCH', 'DELETE'];

export interface RegistryRouteOptions {
  registries: readonly ConfiguredRegistry[];
  /** Of this run alone, and released with it. */
  session: Authorizer & { release(): unknown };
  /** The scopes of the task's definition, as they were signed. */
  definitionScopes: readonly string[];
  /** For the log of the run: what was refused, and why. */
  note: (line: string) => void;
  /** Bytes of a blob. */
  bodyBytes?: number;
}

/** Leads to container registries, each under its name: with the tokens that the run's session has for what is asked, and that no step sees. */
export class RegistryRoute implements Route {
  readonly bodyBytes: number;
  readonly #registries: ReadonlyMap<string, ConfiguredRegistry>;
  readonly #authority: RegistryAuthority;
  readonly #exchange: Exchange;
  readonly #uploads: Uploads;
  readonly #manifests = new Turns(HELD_AT_ONCE);

  constructor(private readonly options: RegistryRouteOptions) {
    this.bodyBytes = options.bodyBytes ?? MOST_BLOB;
    this.#registries = new Map(options.registries.map((registry) => [registry.name, registry]));
    this.#authority = new RegistryAuthority(options.definitionScopes);
    this.#exchange = new Exchange(options.session);
    this.#uploads = new Uploads(this.#exchange, this.#authority);
  }

  handlerOf({ headers: { host = '' }, url = '' }: IncomingMessage): Handler | undefined {
    const registry = url.startsWith('/') ? this.#registries.get(plainHost(host)) : undefined;
    return registry && ((call) => this.#told(call, registry));
  }

  async close(): Promise<void> {
    await this.options.session.release();
    this.#exchange.close();
    this.#uploads.clear();
  }

  async #told(call: Call, registry: ConfiguredRegistry): Promise<void> {
    const refused: { by?: RegistryRefusal } = {};
    call.answer.once('close', () => this.#note(call, registry, refused.by));
    try {
      await this.#serve(call, registry);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refused.by = RegistryRefusal.of(error);
      throw refused.by;
    }
  }

  /** What has failed, for the author of the task is to learn of it. That a blob is not there is the usual answer to HEAD. */
  #note(
    { request: { method, url = '' }, answer: { statusCode, headersSent } }: Call,
    { name }: ConfiguredRegistry,
    refusal?: Refusal,
  ): void {
    if (!headersSent || statusCode < 400 || (method === 'HEAD' && statusCode === 404)) return;
    const path = url.replace(/[?#].*$/s, '').slice(0, 1000);
    this.options.note(`registry ${name}: ${method} ${path} was answered ${statusCode}${refusal ? `: ${refusal.message}` : ''}`);
  }

  async #serve(call: Call, registry: ConfiguredRegistry): Promise<void> {
    assertRequest(call.request, METHODS);
    const { method = '', url = '' } = call.request;
    if (isPing(url)) return pong(call);
    const asking = { call, registry, asked: registryCall(method, url) };
    const { kind, required } = asking.asked;
    this.#authority.assert(registry, kind === 'uploads' ? pushAlone(required) : required);
    if (kind === 'uploads') return this.#uploads.open(asking);
    if (kind === 'upload') return this.#uploads.goOn(asking);
    if (READING.includes(method)) return this.#read(asking);
    return kind === 'manifest' && method === 'PUT' ? this.#putManifest(asking) : this.#write(asking);
  }

  async #read(asking: Asking): Promise<void> {
    const { call, registry, asked } = asking;
    const reply = await ask(this.#exchange, asking);
    const isFollowed = asked.kind === 'blob' || asked.kind === 'manifest';
    if (isFollowed && isRedirect(reply.answer)) {
      const answer = await follow(reply.answer, reply.sending, registry);
      return passBack(call, { ...reply, answer });
    }
    assertStays(reply.answer, registry);
    return passBack(call, reply, isFollowed ? {} : nextLink(reply, asking));
  }

  #putManifest(asking: Asking): Promise<void> {
    return this.#manifests.take(asking.call.signal, async () => {
      const body = await held(asking.call);
      return this.#write(asking, body);
    });
  }

  async #write(asking: Asking, body?: Buffer): Promise<void> {
    const { call, registry, asked } = asking;
    const whole = body && { body, headers: { ...headersToRegistry(call.request.headers), 'content-length': body.length } };
    const reply = await ask(this.#exchange, asking, whole);
    assertStays(reply.answer, registry);
    const location = madeAt(reply.answer.headers.location, { ...asked, origin: registry.origin });
    return passBack(call, reply, location === undefined ? {} : { location });
  }
}

/** What a push needs of one repository, where it can be mounted from another or not. */
const pushAlone = ({ repository, scopes }: RequiredScopes): RequiredScopes => ({
  ...{ repository, scopes: scopes.filter((scope) => scope.startsWith(`repository:${repository}:`)) },
});

/** Clients ask so whether this is a registry, and as whom it wants to be asked: as anybody, for they have nothing to show. */
function pong({ answer }: Call): void {
  answer.writeHead(200, { 'content-type': 'application/json', 'content-length': 2, 'docker-distribution-api-version': 'registry/2.0' });
  answer.end('{}'); // without waiting for who may never read it
}

function nextLink({ answer }: Reply, { registry, asked }: Asking): OutgoingHttpHeaders {
  try {
    const link = nextPage(answer.headers.link, { ...asked, origin: registry.origin });
    return link === undefined ? {} : { link };
  } catch (error) {
    answer.destroy();
    throw error;
  }
}
