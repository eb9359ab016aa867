import { assertEnvAllowed } from './reserved-env.js';

it.each([
  'LD_PRELOAD',
  'LD_LIBRARY_PATH',
  'LD_AUDIT',
  'ld_preload',
  'DYLD_INSERT_LIBRARIES',
  'GLIBC_TUNABLES',
  'GCONV_PATH',
  'LOCPATH',
  'OPENSSL_CONF',
  'OPENSSL_MODULES',
  'BASH_ENV',
  'SHELLOPTS',
  'BASHOPTS',
  'PS4',
  'BASH_FUNC_make%%',
  'BASH_FUNC_make()',
  'NODE_OPTIONS',
  'Node_Options',
  'PERL5OPT',
  'PERL5DB',
  'RUBYOPT',
  'JAVA_TOOL_OPTIONS',
  '_JAVA_OPTIONS',
  'JDK_JAVA_OPTIONS',
  'DOTNET_STARTUP_HOOKS',
  'TASK_ID',
  'TASK_',
  'RUN_ID',
  'TASKCLUSTER_ROOT_URL',
  'TASKCLUSTER_ACCESS_TOKEN',
  'LEASEHOLD_SESSION',
])('(67) a definition may not set %s, and its value is not told', (name) => {
  const check = () => assertEnvAllowed({ HARMLESS: '/bin', [name]: 'hunter2' });
  expect(check).toThrow(
    expect.objectContaining({ code: 'definition-reserved-env', detail: expect.stringContaining(JSON.stringify(name)) }),
  );
  expect(check).not.toThrow(/hunter2|HARMLESS/);
});

it.each([
  ['x'],
  [null],
  [[]],
  [1],
  [{ A: 1 }],
  [{ A: null }],
  [{ A: ['x'] }],
  [{ A: 'x\0y' }],
  [{ '': 'x' }],
  [{ 'A=B': 'x' }],
  [{ '1A': 'x' }],
  [{ 'A\n': 'x' }],
  [{ 'LD_PRELOAD ': 'x' }],
])('(67) %j is no environment', (env) => {
  expect(() => assertEnvAllowed(env)).toThrow(expect.objectContaining({ code: 'definition-reserved-env' }));
});

it('(67) whatever else it likes it may set', () => {
  const env = {
    PATH: '/bin',
    HOME: '/x',
    FOO: '',
    _: 'x',
    OLD_PRELOAD: 'x',
    TASKS: 'x',
    RUNNER: 'x',
    RUN_TESTS: '1',
    MY_TASK_ID: 'x',
    ENVIRONMENT: 'x',
    ENV: 'production',
    env: 'production',
    PYTHONPATH: 'src',
    PYTHONSTARTUP: 'x',
    NODE_PATH: 'src',
    GIT_SSH_COMMAND: 'ssh -i key',
    http_proxy: 'x',
    'ProgramFiles(x86)': 'x',
  };
  expect(() => assertEnvAllowed(env)).not.toThrow();
  expect(() => assertEnvAllowed({})).not.toThrow();
  expect(() => assertEnvAllowed(undefined)).not.toThrow();
});

it('(67) of many that are refused some are named', () => {
  const env = Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`LD_${n}`, '']));
  expect(() => assertEnvAllowed(env)).toThrow(/"LD_9" and 4990 more/);
});
