import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SetupError } from './setup-error.js';
import { StateDir } from './state-dir.js';

const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'leasehold-state-')));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const at = (name: string) => path.join(directory, name);

it('(41) is made for the worker alone, and gives back what was put there', () => {
  const state = StateDir.open(at('new/state'));
  expect(statSync(at('new/state')).mode & 0o777).toBe(0o700);
  expect(state.read('a')).toBeUndefined();
  state.replace('a', 'one');
  state.replace('a', 'two');
  expect(state.read('a')).toBe('two');
  expect(statSync(at('new/state/a')).mode & 0o777).toBe(0o600);
  expect(readdirSync(at('new/state'))).toEqual(['a']);
  state.close();
});

it('(41) is one worker’s at a time', () => {
  const one = StateDir.open(at('one'));
  const second = () => StateDir.open(at('one'));
  expect(second).toThrow(SetupError);
  expect(second).toThrow(/Another worker has .*one; give each one a stateDir and a workDir of its own/);
  StateDir.open(at('two')).close();
  one.close();
  second().close();
});

it('(52) is refused where others can write', () => {
  StateDir.open(at('open')).close();
  chmodSync(at('open'), 0o770);
  expect(() => StateDir.open(at('open'))).toThrow(/chmod go-w it/);
});

describe('what others put there before it was the worker’s alone', () => {
  let state: StateDir;
  beforeEach(() => {
    state = StateDir.open(at('planted'));
  });
  afterEach(() => {
    state.close();
    rmSync(at('planted'), { recursive: true });
  });

  it('(52) is refused where it is to be read', () => {
    writeFileSync(at('planted/a'), 'x');
    chmodSync(at('planted/a'), 0o666);
    expect(() => state.read('a')).toThrow(SetupError);
    expect(() => state.read('a')).toThrow(/chmod go-w it/);
    if (process.getuid!() !== 0) return; // nobody else can give it away
    chmodSync(at('planted/a'), 0o600);
    chownSync(at('planted/a'), 65_534, 65_534);
    expect(() => state.read('a')).toThrow(/belongs to user 65534; chown it/);
  });

  it('(52) is out of the way where it is to be written', () => {
    writeFileSync(at('planted/a.next'), 'x');
    chmodSync(at('planted/a.next'), 0o666);
    if (process.getuid!() === 0) chownSync(at('planted/a.next'), 65_534, 65_534);
    state.replace('a', 'one');
    expect([statSync(at('planted/a')).mode & 0o777, statSync(at('planted/a')).uid]).toEqual([0o600, process.getuid!()]);
    expect(state.read('a')).toBe('one');
  });

  it('(52) leads nowhere where it is a link', () => {
    writeFileSync(at('victim'), 'x');
    symlinkSync(at('victim'), at('planted/a.next'));
    state.replace('a', 'one');
    expect([readFileSync(at('victim'), 'utf8'), state.read('a')]).toEqual(['x', 'one']);
    rmSync(at('planted/a'));
    expect(() => state.openFile('a')).toThrow(/ENOENT/);
    symlinkSync(at('victim'), at('planted/a'));
    expect(() => state.openFile('a')).toThrow(/ELOOP/);
    expect(existsSync(at('planted/a.next'))).toBe(false);
  });
});
