import fc from 'fast-check';
import type { StepRun } from '../isolation.js';
import { bubblewrapArguments } from './bubblewrap-arguments.js';
import type { RootEntry } from './rootfs.js';

const ROOT: RootEntry[] = [
  { at: '/usr', from: '/usr' },
  { at: '/bin', link: 'usr/bin' },
  { at: '/etc/resolv.conf', from: '/etc/resolv.conf', onlyWithNetwork: true },
];
const limits = {
  processes: 1,
  openFiles: 2,
  fileSize: 3,
  memory: 4,
  tmp: 5,
  home: 6,
  shm: 7,
  creds: 8,
  results: 9,
  result: 10,
  output: 11,
};
const place = (name: string) => `/task/${name}`;
const places = {
  ...{ tools: place('tools'), downward: place('downward'), steps: place('steps'), scripts: place('scripts'), run: place('run') },
  ...{ results: place('results'), workspace: place('work'), proxySocket: place('proxy') },
};
const settings = { bubblewrap: '/b', busybox: '/y', rootfs: '/', readable: ['/opt'], limits };
const STEP: StepRun = {
  index: 0,
  command: ['true'],
  env: {},
  workspace: 'rw',
  network: 'none',
  secretFiles: {},
  places,
  settings,
  output: 1,
};

const optionsOf = (step: Partial<StepRun>) => bubblewrapArguments({ ...STEP, ...step }, ROOT, { firstDescriptor: 7 }).options.join(' ');

const steps = fc.record({
  workspace: fc.constantFrom('rw' as const, 'ro' as const, 'none' as const),
  network: fc.constantFrom('none' as const, 'proxy' as const, 'host' as const),
  secretFiles: fc.dictionary(fc.stringMatching(/^[\w-]{1,8}$/), fc.string(), { maxKeys: 3 }),
  settings: fc.constantFrom(settings, { ...settings, rootfs: '/image' }),
});

it('(13, 20, 62) always has all namespaces but that of a wanted network, no capabilities, no more user namespaces, and its own PID 1', () => {
  const always = ['user', 'ipc', 'pid', 'uts', 'cgroup'].map((namespace) => `--unshare-${namespace}`);
  const more = ['--disable-userns', '--cap-drop ALL', '--uid 1000', '--die-with-parent', '--new-session', '--as-pid-1'];
  fc.assert(
    fc.property(steps, (step) => {
      const options = optionsOf(step);
      for (const option of [...always, ...more]) expect(options).toContain(option);
      expect(options.includes('--unshare-net')).toBe(step.network !== 'host');
      expect(options).not.toMatch(/-try\b|--unshare-all|--clearenv|--dev-bind/);
    }),
  );
});

it('(4, 71) binds nothing that can be written to but results and workspace, and makes the rest read-only last', () => {
  fc.assert(
    fc.property(steps, (step) => {
      const options = optionsOf(step);
      const writable = [...options.matchAll(/--bind (\S+)/g)].map(([, from]) => from);
      expect(writable).toEqual(['/task/results', ...(step.workspace === 'rw' ? ['/task/work'] : [])]);
      expect(options).toMatch(/ --remount-ro \/tekton --remount-ro \/dev --remount-ro \/ --chdir \S+$/);
      expect(options.match(/--tmpfs/g)).toHaveLength(options.match(/--size \d+( --perms \d+)? --tmpfs/g)!.length);
    }),
  );
});

it('(58) has each content at the descriptor that it names, secrets last, and no secret in its words', () => {
  fc.assert(
    fc.property(steps, (step) => {
      const { options, files, secrets } = bubblewrapArguments({ ...STEP, ...step }, ROOT, { firstDescriptor: 7 });
      const named = options.flatMap((option, at) => (['--file', '--ro-bind-data'].includes(option) ? [Number(options[at + 1])] : []));
      expect(named).toEqual([...files, ...secrets].map((_, index) => 7 + index));
      expect(secrets).toEqual(Object.values(step.secretFiles));
    }),
  );
});

it('(78, 82) has the proxy where it may, and where names are resolved with the host’s network alone', () => {
  const [none, proxy, host] = (['none', 'proxy', 'host'] as const).map((network) => optionsOf({ network }));
  expect([none, proxy, host].map((options) => options!.includes('/task/proxy'))).toEqual([false, true, false]);
  expect([none, proxy, host].map((options) => options!.includes('resolv.conf'))).toEqual([false, false, true]);
});

it('(70) has a workspace as it was asked for', () => {
  expect(optionsOf({ workspace: 'rw' })).toContain('--bind /task/work /workspace');
  expect(optionsOf({ workspace: 'ro' })).toContain('--ro-bind /task/work /workspace');
  expect(optionsOf({ workspace: 'none' })).not.toContain('/workspace');
});

it('(58) refuses names and paths that would be something else', () => {
  for (const name of ['../x', 'a/b', '', '.', '..', 'a\0b']) expect(() => optionsOf({ secretFiles: { [name]: 'x' } })).toThrow(TypeError);
  expect(() => optionsOf({ places: { ...places, workspace: '/a\0--bind\0/\0/' } })).toThrow(/NUL/);
});

it('(13) shows no directory of the host where the sandbox has its own', () => {
  const shown = (directory: string) => optionsOf({ settings: { ...settings, readable: [directory] } });
  const own = ['/proc', '/proc/', '/dev/shm', '/sys', '/tekton/run', '/workspace', '/tmp', '/tmp/', '/etc', '/etc/', '/etc/passwd'];
  for (const directory of own) expect(() => shown(directory)).toThrow(/cannot be shown to steps: it is one that each sandbox has/);
  for (const other of ['/', '', '//', '/.', '/opt/../proc', '/opt//x', '/opt//', '/opt/.', 'opt', './tmp'])
    expect(() => shown(other)).toThrow(/cannot be shown to steps: name a directory other than \/ by its full path/);
  const fine = [
    '/opt',
    '/opt/tools',
    '/var/lib/x',
    '/var/tmp',
    '/development',
    '/a/.hidden',
    '/a/..b',
    '/etc/java',
    '/tmp/cache',
    '/etcetera',
  ];
  for (const directory of fine)
    for (const named of [directory, `${directory}/`]) expect(shown(named)).toContain(`--ro-bind ${directory} ${directory} `);
});
