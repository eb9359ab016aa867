import { setTimeout as after } from 'node:timers/promises';
import type { createLeaseholdClient } from '../../client/client.js';
import type { components } from '../../client/types.js';
import { ask } from '../queue/ask.js';

type GivenScope = components['schemas']['GivenScope'];

/** Milliseconds until a use has been noted: the queue writes uses down each second. */
const NOTED_AFTER = 1500;
const ANSWER_WITHIN = 30_000;

/** The scopes in the certificate of the credentials that the queue lent; undefined where it has none that can be read. */
export function lentScopes({ certificate }: { certificate?: string | undefined }): string[] | undefined {
  try {
    const { scopes } = JSON.parse(certificate ?? '');
    return Array.isArray(scopes) && scopes.every((scope) => typeof scope === 'string') ? scopes : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Which of the scopes that a run was given, by its task or by a role that this assumes, have decided that it may do something, or were signed
 * into a token of it, as far as the queue has noted. To be asked with the run's credentials, before it is reported. `lastUse` is when the
 * steps last called the queue (Date.now()), so that this has been noted. Undefined where the queue does not tell: another one than ours,
 * or one that is busy.
 */
export async function scopesUsed(client: ReturnType<typeof createLeaseholdClient>, lastUse = 0): Promise<string[] | undefined> {
  const wait = lastUse + NOTED_AFTER - Date.now();
  if (wait > 0) await after(Math.min(wait, NOTED_AFTER));
  const { status, body } = await ask((how) => client.GET('/api/auth/v1/scopes/explain', { ...how }), { within: ANSWER_WITHIN });
  const { given } = (body ?? {}) as { given?: GivenScope[] };
  try {
    return status === 200 && given ? usedOf(given) : undefined;
  } catch {
    return undefined; // who knows what that was
  }
}

/** But for what everybody has: no task asks for that. A role is told after the scope that assumes it. */
function usedOf(given: readonly GivenScope[]): string[] {
  const everybodys = new Set<string>();
  for (const { scope, by, from } of given) if (by === 'anonymous' || (by === 'role' && everybodys.has(from ?? ''))) everybodys.add(scope);
  const used = given.filter((one) => one.used && !everybodys.has(one.scope)).map(({ scope }) => scope);
  return [...new Set(used)].sort();
}
