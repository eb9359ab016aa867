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
  proxyUrl: false,
  secrets: [],
};
const JOB = {
  env: { TASK_ID: 'x', A: 'job' },
  secrets: { deploy: 'hunter2', other: 'never' },
  proxy: { socketPath: '/run/proxy.sock', names: ['registry.example.com', '127.0.0.1:35000'], outgoing: true },
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
  expect(environmentOf({ network: 'proxy' }, {}, { ...JOB, proxy: undefined } as unknown as Job)).toEqual(environmentOf());
  expect(environmentOf({ workspace: 'none' })).not.toHaveProperty('TASK_WORKSPACE');
});

it('has the proxy’s URL where the step asks for it, which nobody says otherwise', () => {
  const forged = { TASKCLUSTER_PROXY_URL: 'http://evil' };
  expect(environmentOf({ network: 'proxy', proxyUrl: true }, forged).TASKCLUSTER_PROXY_URL).toBe('http://taskcluster');
  for (const over of [{ network: 'proxy' }, { network: 'host', proxyUrl: true }, { proxyUrl: true }] as const)
    expect(environmentOf(over)).not.toHaveProperty('TASKCLUSTER_PROXY_URL');
  const without = { ...JOB, proxy: undefined } as unknown as Job;
  expect(environmentOf({ network: 'proxy', proxyUrl: true }, {}, without)).not.toHaveProperty('TASKCLUSTER_PROXY_URL');
});

it('sends programs to the proxy for what is elsewhere, where it leads there, and not for what is named; the step may say otherwise', () => {
  const over = { network: 'proxy', proxyUrl: true } as const;
  const near = 'localhost,127.0.0.1,::1,taskcluster,registry.example.com';
  const [to, job] = ['http://taskcluster:80', { ...JOB, env: { http_proxy: 'http://host:3128' } } as unknown as Job];
  const all = { http_proxy: to, https_proxy: to, HTTP_PROXY: to, HTTPS_PROXY: to, no_proxy: near, NO_PROXY: near };
  expect(environmentOf(over, {}, job)).toMatchObject(all);
  expect(environmentOf(over, { http_proxy: '', NO_PROXY: 'mine' }, job)).toMatchObject({ ...all, http_proxy: '', NO_PROXY: 'mine' });
  const nowhere = { ...job, proxy: { ...job.proxy!, outgoing: false } };
  expect(environmentOf(over, {}, nowhere)).toMatchObject({ http_proxy: 'http://host:3128' });
  for (const [given, where] of [
    [{ network: 'proxy' }, JOB],
    [over, { ...nowhere, env: {} }],
  ] as const)
    expect(Object.keys(environmentOf(given, {}, where)).filter((name) => /proxy$/i.test(name))).toEqual([]);
});
