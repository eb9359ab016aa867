import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { SeenRuns } from '../src/worker/claims/seen-runs.js';
import { StateDir } from '../src/worker/state/state-dir.js';

/* A worker that is killed, whatever it was doing, leaves no lock behind, and what it began stays begun. */

const MODULES = path.resolve(process.env.LEASEHOLD_DIST ?? 'dist', 'src/worker');
const MODULE = ['--input-type=module', '-e'];
const NOW = 1_800_000_000;
const TASK = 'fN1SbArXTPSVFNUvaOlinQ';

const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'leasehold-worker-state-')));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const OPEN = `
  const { StateDir } = await import(${JSON.stringify(pathToFileURL(path.join(MODULES, 'state/state-dir.js')))});
  const state = StateDir.open(${JSON.stringify(directory)});`;

/** Begins run 0, says so, starts a program that outlives it, and waits to be killed. */
const WORKER = `${OPEN}
  const { SeenRuns } = await import(${JSON.stringify(pathToFileURL(path.join(MODULES, 'claims/seen-runs.js')))});
  const { spawn } = await import('node:child_process');
  const runs = SeenRuns.open(state, ${NOW});
  console.log(runs.begin({ taskId: '${TASK}', runId: 0 }, ${NOW + 60}, ${NOW}));
  const task = spawn('sleep', ['30'], { stdio: 'ignore', detached: true });
  console.log(task.pid);
  setInterval(() => undefined, 1000);`;

it('(41) a worker that was killed leaves no lock, though a task of it lives, and its runs do not begin again', async () => {
  const worker = spawn(process.execPath, [...MODULE, WORKER], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  worker.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  while (said.split('\n').length < 3) await once(worker.stdout, 'data');
  const [isFirst, task] = said.split('\n');
  expect(isFirst).toBe('true');
  expect(() => StateDir.open(directory)).toThrow(/Another worker has/);

  const ended = once(worker, 'exit');
  worker.kill('SIGKILL');
  await ended;
  const state = StateDir.open(directory);
  const runs = SeenRuns.open(state, NOW);
  expect(runs.begin({ taskId: TASK, runId: 0 }, NOW + 60, NOW)).toBe(false);
  runs.close();
  state.close();
  expect(process.kill(Number(task), 'SIGKILL')).toBe(true);
});

it('(41) a worker that cannot lock its state does not begin, and says what is missing', () => {
  const { status, stderr } = spawnSync(process.execPath, [...MODULE, OPEN], { env: { PATH: directory }, encoding: 'utf8' });
  expect(status).not.toBe(0);
  expect(stderr).toMatch(/cannot be locked: flock cannot be started \(ENOENT\); install util-linux/);
});

/** What a program says in which functions of node:fs are other ones: `given(real, ...args)` by their names. */
function said(changed: Record<string, string>, program: string): string[] {
  const changes = Object.entries(changed).map(
    ([name, given]) => `{ const real = fs.${name}; fs.${name} = (...args) => (${given})(real, ...args); }`,
  );
  const before = "const fs = process.getBuiltinModule('node:fs'); const said = (word) => process._rawDebug(word);";
  const after = "process.getBuiltinModule('node:module').syncBuiltinESMExports();";
  const { status, stderr } = spawnSync(process.execPath, [...MODULE, [before, ...changes, after, program].join('\n')], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, expect.any(String)]);
  return stderr.trim().split('\n');
}

it('(41) what is written is on the disk, file and directory, before anybody is told, whatever becomes of the machine', () => {
  const place = path.join(directory, 'synced');
  const watched = (name: string) => `(real, first, ...rest) => {
    const what = typeof first === 'number' && fs.fstatSync(first).isDirectory() ? 'directory' : 'file';
    said('${name} ' + what);
    return real(first, ...rest);
  }`;
  const names = ['writeFileSync', 'fdatasyncSync', 'fsyncSync', 'renameSync'];
  const program = `${OPEN.replace(JSON.stringify(directory), JSON.stringify(place))}
    const { SeenRuns } = await import(${JSON.stringify(pathToFileURL(path.join(MODULES, 'claims/seen-runs.js')))});
    const runs = SeenRuns.open(state, ${NOW});
    said('opened');
    runs.begin({ taskId: '${TASK}', runId: 0 }, ${NOW + 60}, ${NOW});
    said('begun');`;
  expect(said(Object.fromEntries(names.map((name) => [name, watched(name)])), program)).toEqual([
    'writeFileSync file',
    'fsyncSync file',
    'renameSync file',
    'fsyncSync directory',
    'opened',
    'writeFileSync file',
    'fdatasyncSync file',
    'begun',
  ]);
});

describe('a file that changes while it is read', () => {
  const file = path.join(directory, 'keys');
  const name = JSON.stringify(file);
  const reading = `const { readTrusted } = await import(${JSON.stringify(pathToFileURL(path.join(MODULES, 'state/trusted-path.js')))});
    try { said('read ' + readTrusted(${name}, 1024)); } catch (error) { said(error.message); }`;
  beforeEach(() => writeFileSync(file, 'good', { mode: 0o600 }));

  it.each<[string, Record<string, string>, RegExp]>([
    ['does not', {}, /^read good$/],
    [
      'becomes a link',
      { openSync: `(real, ...args) => { fs.unlinkSync(${name}); fs.symlinkSync('other', ${name}); return real(...args); }` },
      /ELOOP/,
    ],
    ['grows', { readSync: `(real, ...args) => { fs.appendFileSync(${name}, 'x'); return real(...args); }` }, /is being written to/],
    ['shrinks', { readSync: `(real, ...args) => { fs.truncateSync(${name}, 1); return real(...args); }` }, /is being written to/],
    [
      'grows afterwards',
      { readSync: `(real, ...args) => { const n = real(...args); fs.appendFileSync(${name}, 'x'); return n; }` },
      /is being written to/,
    ],
    [
      'is written over',
      { readSync: `(real, ...args) => { const n = real(...args); fs.writeFileSync(${name}, 'evil'); return n; }` },
      /is being written to/,
    ],
  ])('(49, 52) and %s', (_, changed, outcome) => {
    expect(said(changed, reading)).toEqual([expect.stringMatching(outcome)]);
    rmSync(file);
  });
});
