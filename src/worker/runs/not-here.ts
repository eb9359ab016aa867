import type { WorkerConfig } from '../config/config.js';
import type { Payload } from '../payload/payload.js';

/** A task that is in order, but asks for what this worker has not. */
export class NotHere extends Error {}

/** Throws NotHere for a payload that this worker does not run. */
export function assertRunsHere({ steps, features }: Payload, { isolation, networks }: Pick<WorkerConfig, 'isolation' | 'networks'>): void {
  if (features.isolation === 'required' && isolation === 'none')
    throw new NotHere('The task demands that its steps are isolated (features.isolation), and this worker isolates none (isolation: none)');
  const ported = steps.find(({ proxyUrl }) => proxyUrl);
  if (ported && isolation === 'none')
    throw new NotHere(
      `Step ${ported.name} asks for a port of the proxy (proxyUrl), and this worker isolates none: anybody on its machine could call as the run`,
    );
  const refused = steps.find(({ network }) => !networks.includes(network));
  if (refused)
    throw new NotHere(
      `Step ${refused.name} asks for network ${refused.network}; this worker has ${networks.join(' and ') || 'none of them'}`,
    );
}

/** Bytes of all secrets of a task: to look for 256 KiB in what it prints takes 2.7 s to prepare, in which nothing else of the worker goes on. */
const MOST_SECRETS = 64 * 1024;

/** The secrets of those names. Throws NotHere where this worker has not all of them: another one may. */
export function secretsHere(names: readonly string[], { secrets }: Pick<WorkerConfig, 'secrets'>): Record<string, string> {
  const missing = names.filter((name) => !secrets.has(name));
  if (missing.length > 0) throw new NotHere(`The task asks for secrets that this worker has not (secrets): ${missing.join(', ')}`);
  const asked = Object.fromEntries(names.map((name) => [name, secrets.get(name)!]));
  const bytes = Object.values(asked).reduce((sum, secret) => sum + Buffer.byteLength(secret), 0);
  if (bytes > MOST_SECRETS)
    throw new NotHere(`The task asks for secrets of ${bytes} bytes, more than ${MOST_SECRETS}; let it ask for fewer, or in several tasks`);
  return asked;
}
