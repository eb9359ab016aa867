import type { Step } from '../payload/payload.js';
import type { Job } from './job.js';
import { SANDBOX_VIEW, secretsBy, stepEnvironment } from './step-environment.js';

const STEP: Step = {
  name: 'build',
  env: {},
  onError: 'stopAndFail',
  when: { status: 'success', all: [] },
  results: [],
  workspace: 'rw',
  network: 'none',
  secrets: [],
};
const JOB = {
  env: { TASK_ID: 'x', A: 'job' },
  secrets: { deploy: 'hunter2', other: 'never' },
  proxySocket: '/run/proxy.sock',
} as unknown as Job;
const environmentOf = (over: Partial<Step> = {}, resolved: Record<string, string> = {}, job = JOB) =>
  stepEnvironment({ ...STEP, ...over }, resolved, job, SANDBOX_VIEW);

it('is that of the task, that of the step, and where the step finds things', () => {
  expect(environmentOf({}, { A: 'step', B: 'x' })).toEqual({
    TASK_ID: 'x',
    A: 'step',
    B: 'x',
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/tekton/home',
    TASK_STEP: 'build',
    TASK_CONTROL: '/tekton',
    TASK_RESULTS: '/tekton/results',
    TASK_WORKSPACE: '/workspace',
  });
});

it('leaves PATH and HOME to who says more of them, and nobody the rest', () => {
  expect(environmentOf({}, { PATH: '/mine', HOME: '/x' })).toMatchObject({ PATH: '/mine', HOME: '/x' });
  const forged = { TASK_STEP: 'x', TASK_CONTROL: 'x', TASK_RESULTS: 'x', TASK_WORKSPACE: 'x' };
  expect(environmentOf({}, forged)).toEqual(environmentOf());
});

it('57: has the secrets that the step names, and no other', () => {
  const secrets = [{ name: 'deploy', env: 'TOKEN', file: 'token' }];
  expect(environmentOf({ secrets }).TOKEN).toBe('hunter2');
  expect(secretsBy('file', { ...STEP, secrets }, JOB)).toEqual({ token: 'hunter2' });
  expect(JSON.stringify([environmentOf(), environmentOf({ secrets })])).not.toContain('never');
  expect(environmentOf({ secrets: [{ name: 'deploy', file: 'token' }] })).toEqual(environmentOf());
});

it.each(['absent', 'constructor', '__proto__'])('does without no secret: %s', (name) => {
  expect(() => environmentOf({ secrets: [{ name, env: 'X' }] })).toThrow(`this worker has no secret ${name}; add it to its configuration`);
});

it('tells of the proxy those alone that may use it, and of the workspace those that have it', () => {
  expect(environmentOf({ network: 'proxy' }).TASK_PROXY_SOCKET).toBe('/tekton/proxy.sock');
  for (const network of ['none', 'host'] as const) expect(environmentOf({ network })).not.toHaveProperty('TASK_PROXY_SOCKET');
  expect(environmentOf({ network: 'proxy' }, {}, { ...JOB, proxySocket: undefined } as unknown as Job)).toEqual(environmentOf());
  expect(environmentOf({ workspace: 'none' })).not.toHaveProperty('TASK_WORKSPACE');
});
