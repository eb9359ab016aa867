import type { Step } from '../payload/payload.js';
import { PROGRAMS_PATH } from '../sandbox/programs-path.js';
import type { Job } from './job.js';

/** Where a step finds things, by its own paths. */
export interface StepView {
  control: string;
  workspace: string;
  results: string;
  home: string;
  proxySocket?: string;
}

/** All of /tekton and /workspace, where steps are isolated. */
export const SANDBOX_VIEW: StepView = {
  control: '/tekton',
  workspace: '/workspace',
  results: '/tekton/results',
  home: '/tekton/home',
  proxySocket: '/tekton/proxy.sock',
};

/**
 * The whole environment of a step; `resolved` is its own. What tells the step where it is cannot be overridden. Throws for a secret that the worker lacks.
 */
export function stepEnvironment(step: Step, resolved: Readonly<Record<string, string>>, job: Job, view: StepView): Record<string, string> {
  const { PATH: path = PROGRAMS_PATH, HOME: home = view.home, ...env } = { ...job.env, ...resolved };
  return {
    ...env,
    PATH: path,
    HOME: home,
    ...secretsBy('env', step, job),
    TASK_STEP: step.name,
    TASK_CONTROL: view.control,
    TASK_RESULTS: view.results,
    ...(step.workspace !== 'none' && { TASK_WORKSPACE: view.workspace }),
    ...(step.network === 'proxy' && job.proxySocket && view.proxySocket && { TASK_PROXY_SOCKET: view.proxySocket }),
  };
}

/** Values of the secrets that the step gets in that way, by the name of the variable or file. */
export function secretsBy(way: 'env' | 'file', { secrets }: Step, job: Pick<Job, 'secrets'>): Record<string, string> {
  const wanted = secrets.filter((secret) => secret[way] !== undefined);
  return Object.fromEntries(wanted.map((secret) => [secret[way]!, secretBy(secret.name, job)]));
}

function secretBy(name: string, { secrets }: Pick<Job, 'secrets'>): string {
  if (Object.hasOwn(secrets, name)) return secrets[name]!;
  throw new Error(`this worker has no secret ${name}; add it to its configuration`);
}
