import type { WorkerConfig } from '../config/config.js';
import type { Payload } from '../payload/payload.js';

/** A task that is in order, but asks for what this worker has not. */
export class NotHere extends Error {}

/** Throws NotHere for a payload that this worker does not run. */
export function assertRunsHere({ steps, features }: Payload, { isolation, networks }: Pick<WorkerConfig, 'isolation' | 'networks'>): void {
  if (features.isolation === 'required' && isolation === 'none')
    throw new NotHere('The task demands that its steps are isolated (features.isolation), and this worker isolates none (isolation: none)');
  const refused = steps.find(({ network }) => !networks.includes(network));
  if (refused)
    throw new NotHere(
      `Step ${refused.name} asks for network ${refused.network}; this worker has ${networks.join(' and ') || 'none of them'}`,
    );
}

/** The secrets of those names. Throws NotHere where this worker has not all of them: another one may. */
export function secretsHere(names: readonly string[], { secrets }: Pick<WorkerConfig, 'secrets'>): Record<string, string> {
  const missing = names.filter((name) => !secrets.has(name));
  if (missing.length > 0) throw new NotHere(`The task asks for secrets that this worker has not (secrets): ${missing.join(', ')}`);
  return Object.fromEntries(names.map((name) => [name, secrets.get(name)!]));
}
