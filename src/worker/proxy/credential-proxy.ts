import { chmodSync, statSync } from 'node:fs';
import path from 'node:path';
import { SetupError } from '../state/setup-error.js';
import { PROXY_LIMITS, type ProxyLimits } from './limits.js';
import { type ProxiedCall, ProxyServer } from './proxy-server.js';
import type { Route } from './route.js';

/** Bytes of a socket's path. Beyond, it would be cut off, and lie elsewhere. */
const LONGEST_PATH = 107;

export interface CredentialProxyOptions {
  /** Of a socket that is to be made, in a directory that only the worker's user can enter: who can connect is this run. */
  socketPath: string;
  /** Asked in order. */
  routes: readonly Route[];
  most?: Partial<ProxyLimits>;
  log: (call: ProxiedCall) => void;
}

export interface CredentialProxy {
  /** Resolves when nothing can be reached through it any more; what is under way is broken off, what the routes hold is gone. */
  close(): Promise<void>;
}

/**
 * Lets the steps of one run reach what its routes lead to, and have none of the credentials for it. Whoever can connect to the socket may do
 * what the run may.
 *
 * @throws SetupError for a socket that will not do
 */
export async function openCredentialProxy({ socketPath, routes, most, log }: CredentialProxyOptions): Promise<CredentialProxy> {
  assertPrivate(socketPath);
  const server = new ProxyServer(routes, { ...PROXY_LIMITS, ...most }, log);
  await server.listen(socketPath);
  chmodSync(socketPath, 0o666); // a sandbox may have another user; it is the directory that keeps others away
  return {
    close: async () => {
      await server.close();
      for (const route of routes) await route.close?.();
    },
  };
}

function assertPrivate(socketPath: string): void {
  if (Buffer.byteLength(socketPath) > LONGEST_PATH)
    throw new SetupError(
      `The path of the proxy's socket is longer than ${LONGEST_PATH} bytes: ${socketPath}; put tasks into a shorter one`,
    );
  const directory = path.dirname(socketPath);
  if ((statSync(directory).mode & 0o077) !== 0) throw new SetupError(`Others can enter ${directory}, and so call as the run; chmod 700 it`);
}
