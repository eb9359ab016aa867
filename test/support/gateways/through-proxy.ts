import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ConfiguredRegistry } from '../../../src/worker/config/registries.js';
import { openCredentialProxy } from '../../../src/worker/proxy/credential-proxy.js';
import { registryRoute } from '../../../src/worker/proxy/registry/registry-route-of-run.js';
import { RegistryClient } from './registry-client.js';
import type { Connected, Run } from './strategies.js';

export interface RunProxyOptions {
  /** The operator has said which realm it is, and how the gateway calls repositories. */
  realm?: boolean;
  widen?: boolean;
}

let opened = 0;

/** The proxy of a new run, as a worker opens it, and a step that has no credential. */
export async function throughProxy(run: Run, options: RunProxyOptions, concurrency: number): Promise<Connected> {
  const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-run-'));
  const registry = configured(run, options);
  const route = registryRoute({
    registries: [registry],
    definitionScopes: [`registry-access:push:${registry.name}/*`],
    sessionId: `run-${opened++}`,
    note: () => undefined,
    ...{ rootUrl: 'http://127.0.0.1', scopes: [], credentials: () => ({ clientId: 'run', accessToken: 'of no use to a registry' }) },
  });
  const proxy = await openCredentialProxy({
    socketPath: path.join(directory, 'proxy'),
    routes: route ? [route] : [],
    log: () => undefined,
  });
  const step = new RegistryClient({ host: registry.name, socketPath: path.join(directory, 'proxy') }, concurrency);
  return {
    send: step.send,
    close: async () => {
      step[Symbol.dispose]();
      await proxy.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function configured({ gateway, login, realm, service, prefix }: Run, options: RunProxyOptions): ConfiguredRegistry {
  return {
    name: gateway.host,
    origin: gateway.origin,
    credentials: [{ prefix: '', credential: { kind: 'basic', ...login } }],
    trustedRealms: [new URL(realm).origin],
    redirects: [],
    widen: options.widen ?? false,
    ...(options.realm && { realm, service, rewrites: prefix === '' ? [] : [{ requested: prefix, challenged: '' }] }),
  };
}
