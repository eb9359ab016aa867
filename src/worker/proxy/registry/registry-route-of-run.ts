import { createHash } from 'node:crypto';
import type { Credentials } from '../../../credentials/ext.js';
import type { Credential, RegistrySettings } from '../../../registry-tokens/registry-settings.js';
import { RegistrySession } from '../../../registry-tokens/session.js';
import type { ConfiguredRegistry } from '../../config/registries.js';
import { ServiceRoot } from '../service-root.js';
import { RegistryRoute } from './registry-route.js';

export interface RunRegistries {
  registries: readonly ConfiguredRegistry[];
  rootUrl: string;
  /** All that token requests signed for the run carry. */
  scopes: readonly string[];
  /** As they were signed. */
  definitionScopes: readonly string[];
  /** Of the run, at this moment. */
  credentials: () => Credentials;
  /** Of the run: tokens are for it alone. */
  sessionId: string;
  note: (line: string) => void;
}

/** The way of one run to the registries of a worker; undefined where it has none. */
export function registryRoute(run: RunRegistries): RegistryRoute | undefined {
  const { registries, sessionId, definitionScopes, note } = run;
  if (registries.length === 0) return undefined;
  const session = new RegistrySession({ id: sessionId, registries: registries.map((registry) => settingsOf(registry, run)) });
  return new RegistryRoute({ registries, session, definitionScopes, note });
}

/** As the session knows it. */
export function settingsOf(registry: ConfiguredRegistry, run: Pick<RunRegistries, 'rootUrl' | 'scopes' | 'credentials'>): RegistrySettings {
  const { origin, realm, service, trustedRealms, rewrites, addresses, widen, ca } = registry;
  const credentials = registry.credentials.map(({ prefix, credential }) => {
    if (credential === 'none') return { prefix }; // and not left out: a shorter prefix may have one, which is not for these
    return { prefix, credential: credential === 'run' ? signedBy(run, realm!) : credential };
  });
  return {
    ...{ origin, trustedRealms, credentials, widen },
    ...(rewrites && { rewrites }),
    ...(realm !== undefined && { realm }), // our own token service knows which service it is, and need not be told
    ...(service !== undefined && { service }),
    ...(addresses && { addresses }),
    ...(ca !== undefined && { tls: { ca } }),
  };
}

/** Signs as calls of the API are signed: with what the queue has lent last, and restricted to what steps may do with it. */
function signedBy({ rootUrl, scopes, credentials }: Pick<RunRegistries, 'rootUrl' | 'scopes' | 'credentials'>, realm: string): Credential {
  const service = new ServiceRoot(rootUrl, scopes);
  return {
    kind: 'signed',
    realm,
    authorization: (method, url) => {
      const { pathname, search } = new URL(url);
      return service.authorization(credentials(), method, `${pathname}${search}`);
    },
    fingerprint: () => createHash('sha256').update(JSON.stringify(credentials())).digest('hex'),
  };
}
