import type { IncomingMessage } from 'node:http';
import type { Credentials } from '../../credentials/ext.js';
import { apiResource } from './api-resource.js';
import { passOn } from './pass-on.js';
import { assertRequest } from './request-problem.js';
import type { Handler, Route } from './route.js';
import { ServiceRoot } from './service-root.js';
import { signUrl } from './sign-url.js';
import { assertTold, CREDENTIALS, tellCredentials } from './tell-credentials.js';
import { assertNotTheWorkers } from './workers-business.js';

const READING = ['GET', 'HEAD'];
const METHODS = [...READING, 'POST', 'PUT', 'DELETE'];

export interface ApiRouteOptions {
  rootUrl: string;
  /** Of the run. Asked at every request, so that a reclaim's are used from then on. */
  credentials: () => Credentials;
  /**
   * What steps may do with them, at most: the credentials can end the run, too, and who may create a client or a task with some scopes may
   * give away whatever else it holds.
   */
  scopes?: readonly string[];
  /** Of artifacts that the worker leaves itself, by their names: the receipt, the log. */
  reserved?: (name: string) => boolean;
  /** Called before the credentials are told to a step. Absent: no step is to have them. */
  onTold?: () => void;
}

/** Calls of our own API, signed with the credentials of the run, but for what decides about the run itself. The last route: it takes any host. */
export class ApiRoute implements Route {
  readonly #service: ServiceRoot;

  /** @throws SetupError for a root URL that will not do */
  constructor(private readonly options: ApiRouteOptions) {
    this.#service = new ServiceRoot(options.rootUrl, options.scopes);
  }

  handlerOf(request: IncomingMessage): Handler | undefined {
    const { credentials, reserved } = this.options;
    const { method = '', url: target = '' } = request;
    if (!target.startsWith('/')) return undefined; // a URL, as a proxy is sent; of an operation it is the path alone
    assertRequest(request, METHODS);
    if (target === '/bewit' && method === 'POST') return (call) => signUrl(call, this.#service, credentials);
    if (target === CREDENTIALS) return this.#told(method);
    const resource = apiResource(target);
    if (!READING.includes(method)) assertNotTheWorkers(resource, reserved);
    return (call) => passOn(call, this.#service, credentials(), resource);
  }

  #told(method: string): Handler {
    const { credentials, onTold } = this.options;
    assertTold(method, onTold !== undefined);
    return (call) => {
      onTold?.();
      return tellCredentials(call, credentials());
    };
  }
}
