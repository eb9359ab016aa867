import { holdsScope } from '../../scopes/scope-set.js';
import { MalformedPayload } from './malformed-payload.js';
import type { Payload } from './payload.js';

/**
 * Names of the secrets that a payload asks for, each once. The task needs `secrets:get:<name>` in the scopes of its definition, as they are
 * written there: roles are the queue's word, and only the definition is what was signed. Which of them the worker has is nothing for who
 * may not have them. Throws MalformedPayload.
 */
export function allowedSecrets({ steps }: Payload, scopes: unknown): readonly string[] {
  const held = Array.isArray(scopes) ? scopes.filter((scope) => typeof scope === 'string') : [];
  const wanted = steps.flatMap(({ secrets }, index) =>
    secrets.map(({ name }, at) => ({ name, path: `payload.steps[${index}].secrets[${at}].name` })),
  );
  const problems = wanted
    .filter(({ name }) => !holdsScope(held, `secrets:get:${name}`))
    .map(({ name, path }) => `${path} needs the scope secrets:get:${name} among the scopes of the definition`);
  if (problems.length > 0) throw new MalformedPayload(problems);
  return [...new Set(wanted.map(({ name }) => name))];
}
