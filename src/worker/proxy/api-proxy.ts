import { chmodSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Credentials } from '../../credentials/ext.js';
import { SetupError } from '../state/setup-error.js';
import { apiResource } from './api-resource.js';
import { PROXY_LIMITS, type ProxyLimits } from './limits.js';
import { passOn } from './pass-on.js';
import { type Handler, type ProxiedCall, ProxyServer } from './proxy-server.js';
import { ServiceRoot } from './service-root.js';
import { signUrl } from './sign-url.js';
import { assertNotTheWorkers } from './workers-business.js';

/** Bytes of a socket's path. Beyond, it would be cut off, and lie elsewhere. */
const LONGEST_PATH = 107;

export interface ApiProxyOptions {
  /** Of a socket that is to be made, in a directory that only the worker's user can enter: who can connect is this run. */
  socketPath: string;
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
  most?: Partial<ProxyLimits>;
  log: (call: ProxiedCall) => void;
}

export interface ApiProxy {
  /** Resolves when nothing can be reached through it any more; what is under way is broken off. */
  close(): Promise<void>;
}

/**
 * Lets the steps of one run call the service with the run's credentials, and have none of them. Whoever can connect to the socket may do
 * what the run may, but for what decides about the run itself.
 *
 * @throws SetupError for a root URL or a socket that will not do
 */
export async function openApiProxy({ socketPath, rootUrl, scopes, reserved, most, log, ...options }: ApiProxyOptions): Promise<ApiProxy> {
  const { credentials } = options;
  assertPrivate(socketPath);
  const service = new ServiceRoot(rootUrl, scopes);
  const handlerOf = (method: string, target: string): Handler => {
    if (target === '/bewit' && method === 'POST') return (call) => signUrl(call, service, credentials);
    const resource = apiResource(target);
    if (!['GET', 'HEAD'].includes(method)) assertNotTheWorkers(resource, reserved);
    return (call) => passOn(call, service, credentials(), resource);
  };
  const server = new ProxyServer(handlerOf, { ...PROXY_LIMITS, ...most }, log);
  await server.listen(socketPath);
  chmodSync(socketPath, 0o666); // a sandbox may have another user; it is the directory that keeps others away
  return server;
}

function assertPrivate(socketPath: string): void {
  if (Buffer.byteLength(socketPath) > LONGEST_PATH)
    throw new SetupError(
      `The path of the proxy's socket is longer than ${LONGEST_PATH} bytes: ${socketPath}; put tasks into a shorter one`,
    );
  const directory = path.dirname(socketPath);
  if ((statSync(directory).mode & 0o077) !== 0) throw new SetupError(`Others can enter ${directory}, and so call as the run; chmod 700 it`);
}
