import { registryNames } from '../config/registries.js';
import type { Payload } from '../payload/payload.js';
import { runEnvironment } from '../payload/run-environment.js';
import { allowedSecrets } from '../payload/secrets.js';
import type { Job } from '../steps/job.js';
import { secretsHere } from './not-here.js';
import type { TaskRunParts } from './task-run.js';

type Parts = Pick<TaskRunParts, 'task' | 'directory' | 'setting'>;

/** What the supervisor is handed of a run. @throws MalformedPayload, NotHere for secrets that the task may not have, or the worker has not */
export function runJob(payload: Payload, { task, directory, setting: { config, environment } }: Parts): Job {
  const { isolation, sandbox, grace, hostEnv, rootUrl } = config;
  const secrets = secretsHere(allowedSecrets(payload, task.definition.scopes), config);
  const told = { TASK_ID: task.taskId, RUN_ID: String(task.runId), TASKCLUSTER_ROOT_URL: rootUrl };
  return {
    ...{ payload, secrets, isolation, sandbox, grace, taskDir: directory.place },
    env: runEnvironment(task.definition, { worker: told, hostNames: hostEnv, host: environment }),
    ...(payload.steps.some(({ network }) => network === 'proxy') && {
      proxy: { socketPath: directory.proxySocket, names: registryNames(config.registries), outgoing: config.outgoing.length > 0 },
    }),
  };
}
