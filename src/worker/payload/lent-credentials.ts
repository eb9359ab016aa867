import { holdsScope } from '../../scopes/scope-set.js';
import { MalformedPayload } from './malformed-payload.js';
import type { Payload } from './payload.js';

const NEEDED = 'proxy:credentials';

/**
 * Whether steps may have the credentials of the run. As a secret they take a scope of the definition as it is written there: who signed the
 * task meant to trust its steps with its run. Throws MalformedPayload for a payload that asks for them without.
 */
export function mayHaveCredentials({ features }: Pick<Payload, 'features'>, scopes: unknown): boolean {
  if (!features.credentials) return false;
  const held = Array.isArray(scopes) ? scopes.filter((scope) => typeof scope === 'string') : [];
  if (holdsScope(held, NEEDED)) return true;
  throw new MalformedPayload([`payload.features.credentials needs the scope ${NEEDED} among the scopes of the definition`]);
}
