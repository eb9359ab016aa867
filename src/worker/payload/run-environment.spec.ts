import { SignatureError } from '../../signatures/signature-error.js';
import { runEnvironment } from './run-environment.js';

const TOLD = { TASK_ID: 'fN1SbArXTPSVFNUvaOlinQ', RUN_ID: '0', TASKCLUSTER_ROOT_URL: 'https://tasks.example.com', LEASEHOLD_PROXY: 'x' };
const HOST = { PATH: '/bin', HOME: '/root', AWS_SECRET_ACCESS_KEY: 'hunter2', EMPTY: undefined };
const surroundings = { worker: TOLD, hostNames: ['PATH', 'LANG', 'EMPTY'], host: HOST };
const environmentOf = (payload: unknown, over: Partial<typeof surroundings> = {}) =>
  runEnvironment({ payload }, { ...surroundings, ...over });

it('(68) is what is signed, what the worker tells, and of the host what is listed; nothing else', () => {
  expect({ ...environmentOf({ env: { FOO: 'x', HOME: '/x' } }) }).toEqual({ FOO: 'x', HOME: '/x', PATH: '/bin', ...TOLD });
  expect({ ...environmentOf({}) }).toEqual({ PATH: '/bin', ...TOLD });
  expect({ ...environmentOf(undefined) }).toEqual({ PATH: '/bin', ...TOLD });
  expect({ ...environmentOf({ env: { PATH: '/mine' } }) }).toMatchObject({ PATH: '/mine' });
});

it('(68) inherits nothing, and passes nothing on that the host inherits', () => {
  const host = Object.assign(Object.create({ LANG: 'inherited' }), HOST);
  const environment = environmentOf(JSON.parse('{"env": {"__proto__": "x", "constructor": "y"}}'), { host });
  expect(Object.getPrototypeOf(environment)).toBeNull();
  expect(Object.keys(environment).sort()).toEqual(['PATH', '__proto__', 'constructor', ...Object.keys(TOLD)].sort());
  expect(Object.keys(environmentOf(Object.create({ env: { FOO: 'inherited' } })))).not.toContain('FOO');
});

it.each(['LD_PRELOAD', 'NODE_OPTIONS', 'TASK_ID', 'RUN_ID'])('(67) has no %s by a definition', (name) => {
  expect(() => environmentOf({ env: { [name]: 'x' } })).toThrow(SignatureError);
});

it.each([null, [], 'x', { A: 1 }])('(67) is not made of %j', (env) => {
  expect(() => environmentOf({ env })).toThrow(SignatureError);
});

it('(68) the worker tells by its own names alone, which the host does not have', () => {
  expect(() => environmentOf({}, { worker: { ...TOLD, PATH: '/x' } as typeof TOLD })).toThrow(/PATH is not a name by which a worker tells/);
  for (const name of ['TASKCLUSTER_ACCESS_TOKEN', 'RUN_ID'])
    expect(() => environmentOf({}, { hostNames: [name] })).toThrow(`${name} is told by the worker`);
});
