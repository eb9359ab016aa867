import { holdsScope } from '../../scopes/scope-set.js';
import { MalformedPayload } from './malformed-payload.js';
import type { Payload } from './payload.js';

/**
 * Names of the secrets that a payload asks for, each once. The task needs `secrets:get:<name>` in the scopes of its definition, as they are
 * written there: roles are the queue's word, and only the definition is what was signed. What the worker does not know is told only
 * to who may have it. Throws MalformedPayload.
 */
export function allowedSecrets({ steps }: Payload, scopes: unknown, known: Iterable<string>): readonly string[] {
  const held = Array.isArray(scopes) ? scopes.filter((scope) => typeof scope === 'string') : [];
  const names = new Set(known);
  const wanted = steps.flatMap(({ secrets }, index) =>
    secrets.map(({ name }, at) => ({ name, path: `payload.steps[${index}].secrets[${at}].name` })),
  );
  const problems = wanted.flatMap(({ name, path }) => {
    if (!holdsScope(held, `secrets:get:${name}`)) return [`${path} needs the scope secrets:get:${name} among the scopes of the definition`];
    return names.has(name) ? [] : [`${path} must be a secret of this worker; it has none of that name`];
  });
  if (problems.length > 0) throw new MalformedPayload(problems);
  return [...new Set(wanted.map(({ name }) => name))];
}
