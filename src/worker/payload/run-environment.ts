import { assertEnvAllowed, isOfTheWorker } from '../../signatures/reserved-env.js';
import type { Definition } from '../../signatures/task-payload.js';
import { wantedEnvironment } from '../../signatures/wanted-environment.js';

export interface Surroundings {
  /** What the worker tells the run: TASK_…, RUN_ID, TASKCLUSTER_…, LEASEHOLD_…. */
  worker: Readonly<Record<string, string>>;
  /** Names of variables of the host that runs may have; and where their values are: in this process's own environment, say. */
  hostNames: readonly string[];
  host: Readonly<Record<string, string | undefined>>;
}

/**
 * All of the environment of a run: what its definition asks for, what the worker tells it, and of the host what is listed. Each of these
 * has names of its own, but that a definition may say more of what is listed (PATH, say). It inherits nothing, for what starts a process
 * copies what it inherits, too. Throws SignatureError for a definition that asks for more, TypeError for a worker that does.
 */
export function runEnvironment(definition: Definition, { worker, hostNames, host }: Surroundings): Record<string, string> {
  const wanted = wantedEnvironment(definition);
  assertEnvAllowed(wanted);
  for (const name of Object.keys(worker)) if (!isOfTheWorker(name)) throw new TypeError(`${name} is not a name by which a worker tells`);
  for (const name of hostNames)
    if (isOfTheWorker(name)) throw new TypeError(`${name} is told by the worker; it cannot be passed on from the host`);
  const environment: Record<string, string> = Object.create(null);
  for (const name of hostNames) if (Object.hasOwn(host, name) && host[name] !== undefined) environment[name] = host[name];
  for (const [name, value] of [...Object.entries((wanted ?? {}) as object), ...Object.entries(worker)]) environment[name] = value;
  return environment;
}
