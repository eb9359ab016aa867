import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { generateKey } from '../../signatures/generate-key.js';
import { SetupError } from '../state/setup-error.js';
import { StateDir } from '../state/state-dir.js';
import { KeySetFile } from './key-set-file.js';

const KEYS = ['a', 'b', 'c'].map((kid) => generateKey('EdDSA', { kid }).publicJwk);
const [A, B, C] = KEYS as [object, object, object];
const setText = (version: number, ...keys: object[]) => JSON.stringify({ version, keys });

let directory: string;
let stateDir: StateDir;
let told: string[];
const file = () => path.join(directory, 'keys', 'keys.json');
const put = (text: string) => writeFileSync(file(), text, { mode: 0o644 });
const open = () => KeySetFile.open({ path: file(), stateDir, log: (message) => told.push(message) });
const restarted = () => {
  stateDir.close();
  stateDir = StateDir.open(path.join(directory, 'state'));
  return open();
};
const kids = (keys: KeySetFile) => Object.keys(keys.current()?.keys ?? {}).join('');

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'leasehold-key-set-'));
  mkdirSync(path.dirname(file()), { mode: 0o755 });
  stateDir = StateDir.open(path.join(directory, 'state'));
  told = [];
  put(setText(1, A));
});
afterEach(() => {
  stateDir.close();
  rmSync(directory, { recursive: true, force: true });
});

it('(48) a key that is added is known at the next look, and one that is dropped is not, without a restart', () => {
  const keys = open();
  expect(kids(keys)).toBe('a');
  put(setText(2, A, B));
  expect(kids(keys)).toBe('ab');
  put(setText(3, B));
  expect(kids(keys)).toBe('b');
  put(setText(4, C)); // as long, and within the same tick of the clock of files
  expect(kids(keys)).toBe('c');
  writeFileSync(`${file()}.next`, setText(5, A, C));
  renameSync(`${file()}.next`, file());
  expect(kids(keys)).toBe('ac');
  expect(keys.failures).toBe(0);
});

it('(48) a file that says the same is not read anew', () => {
  const keys = open();
  const set = keys.current();
  put(setText(1, A));
  expect(keys.current()).toBe(set);
  put(JSON.stringify({ keys: [A], version: 1 }, null, 2));
  expect(keys.current()!.digest).toBe(set!.digest);
});

it('(51) who holds a set keeps it as it was', () => {
  const keys = open();
  const set = keys.current()!;
  put(setText(2, B));
  expect(kids(keys)).toBe('b');
  expect(Object.keys(set.keys)).toEqual(['a']);
  expect([set, set.keys, set.keys.a].every((value) => Object.isFrozen(value))).toBe(true);
});

describe('the last good set stays', () => {
  const good = setText(2, A, B);
  const broken: [string, () => void, RegExp][] = [
    ['is deleted', () => rmSync(file()), /ENOENT/],
    ['is empty', () => put(''), /not JSON/],
    ['is cut off', () => put(good.slice(0, -1)), /not JSON/],
    ['is half written over', () => put(good.slice(0, 40) + setText(1, A).slice(40)), /The key set is refused/],
    ['has a key twice', () => put(setText(3, A, A)), /two keys a/],
    ['says something twice', () => put(good.replace('{"version"', '{"version":9,"version"')), /"version" twice/],
    ['has a private key', () => put(setText(3, { ...A, d: 'hunter2' })), /key a is a private key/],
    ['is not UTF-8', () => writeFileSync(file(), Buffer.from([0x7b, 0xff])), /not UTF-8/],
    ['is too large', () => truncateSync(file(), 1024 * 1024 + 1), /more than 1048576 bytes/],
    ['is a directory', () => [rmSync(file()), mkdirSync(file())], /no ordinary file/],
    ['is open to others', () => [put(setText(3, C)), chmodSync(file(), 0o666)], /chmod go-w it/],
    ['is in a directory open to others', () => [put(setText(3, C)), chmodSync(path.dirname(file()), 0o777)], /chmod go-w it/],
    ['has an older set', () => put(setText(1, A)), /it has version 1, and version 2 was believed before; it is older/],
    ['has another set of that version', () => put(setText(2, A, C)), /it says something else under the same version/],
  ];

  it.each(broken)('(49, 52, 54) where the file %s, and that is counted, and told once', (_, ruin, why) => {
    const keys = open();
    put(good);
    expect(kids(keys)).toBe('ab');
    told.length = 0;
    ruin();
    for (const nth of [1, 2, 3]) {
      expect(kids(keys)).toBe('ab');
      expect(keys.failures).toBe(nth);
    }
    expect(keys.lastFailure).toMatch(why);
    expect(told).toEqual([expect.stringMatching(/cannot be used, version 2 is still believed: /)]);
    expect(told.join()).not.toContain('hunter2');

    chmodSync(path.dirname(file()), 0o755);
    rmSync(file(), { recursive: true, force: true });
    put(setText(3, C));
    expect(kids(keys)).toBe('c');
    expect([keys.failures, keys.lastFailure]).toEqual([3, undefined]);
  });

  it('(49) while somebody writes it bit by bit', () => {
    const keys = open();
    const next = setText(2, B);
    put('');
    for (const character of next.slice(0, -1)) {
      writeFileSync(file(), character, { flag: 'a' });
      expect(kids(keys)).toBe('a');
    }
    writeFileSync(file(), '}', { flag: 'a' });
    expect(kids(keys)).toBe('b');
  });
});

describe('at the start', () => {
  it.each<[string, () => void]>([
    ['a file', () => chmodSync(file(), 0o666)],
    ['a directory', () => chmodSync(path.dirname(file()), 0o777)],
    ['a directory in which there is none yet', () => [rmSync(file()), chmodSync(path.dirname(file()), 0o777)]],
  ])('(52) %s that others can write is refused', (_, openUp) => {
    openUp();
    expect(open).toThrow(SetupError);
    expect(open).toThrow(/chmod go-w it/);
  });

  it('(49, 50) without a file there is no set, until there is one', () => {
    rmSync(file());
    const keys = open();
    expect(keys.current()).toBeUndefined();
    expect(keys.lastFailure).toMatch(/ENOENT/);
    expect(told).toEqual([expect.stringMatching(/there is none to verify signatures by: ENOENT/)]);
    put(setText(1, A));
    expect(kids(keys)).toBe('a');
  });

  it('(54) a set older than the one before the restart is refused, and so is another of its version', () => {
    put(setText(7, A));
    expect(kids(open())).toBe('a');
    for (const rolledBack of [setText(6, B), setText(7, B)]) {
      put(rolledBack);
      const keys = restarted();
      expect(keys.current()).toBeUndefined();
      expect(keys.lastFailure).toMatch(/version 7 was believed before/);
    }
    put(setText(7, A));
    expect(kids(restarted())).toBe('a');
    put(setText(8, B));
    expect(kids(restarted())).toBe('b');
  });

  it('(54) what it remembers is one small file, written once for each set', () => {
    const keys = open();
    const state = path.join(directory, 'state');
    expect(readdirSync(state)).toEqual(['key-set.json']);
    expect(JSON.parse(readFileSync(path.join(state, 'key-set.json'), 'utf8'))).toEqual({ version: 1, digest: keys.current()!.digest });
    rmSync(path.join(state, 'key-set.json'));
    keys.current();
    expect(readdirSync(state)).toEqual([]);
  });

  it.each(['', '{}', '{"version":1', '{"version":"1","digest":"x"}', 'null'])(
    '(54) where that says %j the worker stops, with the fix',
    (text) => {
      writeFileSync(path.join(directory, 'state', 'key-set.json'), text);
      expect(open).toThrow(SetupError);
      expect(open).toThrow(/key-set.json in the state directory is damaged: remove it, if the key set in use is surely the newest/);
    },
  );

  it('(48, 54) a set that cannot be remembered is believed all the same, and remembered later', () => {
    const keys = open();
    const taken = path.join(directory, 'state', 'key-set.json.next');
    mkdirSync(taken);
    put(setText(2, B));
    expect(kids(keys)).toBe('b');
    expect(keys.lastFailure).toMatch(/EISDIR/);
    put(setText(1, A));
    expect(kids(keys)).toBe('b');
    put(setText(2, B));
    rmSync(taken, { recursive: true });
    expect(kids(keys)).toBe('b');
    expect(keys.lastFailure).toBeUndefined();
    put(setText(1, A));
    expect(restarted().current()).toBeUndefined();
  });
});
