import type { Step } from '../payload/payload.js';
import { hostsOf, PROXY_NAME } from '../sandbox/port/proxy-names.js';
import { PROGRAMS_PATH } from '../sandbox/programs-path.js';
import type { Job, JobProxy } from './job.js';

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
  const { PATH: path = PROGRAMS_PATH, HOME: home = view.home, ...env } = { ...job.env, ...outgoingBy(step, job), ...resolved };
  return {
    ...env,
    PATH: path,
    HOME: home,
    ...secretsBy('env', step, job),
    TASK_STEP: step.name,
    TASK_CONTROL: view.control,
    TASK_RESULTS: view.results,
    ...(step.workspace !== 'none' && { TASK_WORKSPACE: view.workspace }),
    ...(step.network === 'proxy' && job.proxy && view.proxySocket && { TASK_PROXY_SOCKET: view.proxySocket }),
    ...(portOf(step, job) && { TASKCLUSTER_PROXY_URL: PROXY_URL }),
  };
}

const PROXY_URL = `http://${PROXY_NAME}`;

const portOf = ({ network, proxyUrl }: Step, { proxy }: Job): JobProxy | undefined => (network === 'proxy' && proxyUrl ? proxy : undefined);

/**
 * Programs do not agree on capitals. What a task sets for all steps is not meant for one that has no other way out; what the step sets
 * itself is.
 */
function outgoingBy(step: Step, job: Job): Record<string, string> {
  const port = portOf(step, job);
  if (!port?.outgoing) return {};
  const near = [...new Set(['localhost', '127.0.0.1', '::1', PROXY_NAME, ...hostsOf(port.names)])].join(',');
  const to = `${PROXY_URL}:80`; // without a port curl takes that of a proxy to be 1080
  return { http_proxy: to, https_proxy: to, no_proxy: near, HTTP_PROXY: to, HTTPS_PROXY: to, NO_PROXY: near };
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
