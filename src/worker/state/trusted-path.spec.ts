import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { jest } from '@jest/globals';
import { SetupError } from './setup-error.js';
import { readTrusted, trustedPath } from './trusted-path.js';

let directory: string;
beforeEach(() => {
  directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'leasehold-trusted-')));
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(directory, { recursive: true, force: true });
});

function put(name: string, text = 'what it says'): string {
  const file = path.join(directory, name);
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
  writeFileSync(file, text, { mode: 0o644 });
  return file;
}
const read = (file: string) => readTrusted(file, 1024).toString();
const refusal = (message: RegExp) => expect.objectContaining({ constructor: SetupError, message: expect.stringMatching(message) });

it('(52) reads what only its user can change', () => {
  expect(read(put('keys'))).toBe('what it says');
  expect(trustedPath(directory)).toBe(directory);
  expect(trustedPath('/')).toBe('/');
});

it.each(['664', '646', '666'])('(52) a file of mode %s is refused, with the fix', (mode) => {
  const file = put('keys');
  chmodSync(file, mode);
  expect(() => read(file)).toThrow(refusal(/keys; chmod go-w it/));
});

it.each([0o775, 0o757, 0o777, 0o1777])(
  '(52) a file in a directory of mode %o is refused: another file could be put in its place',
  (mode) => {
    const file = put('open/keys');
    chmodSync(path.dirname(file), mode);
    expect(() => read(file)).toThrow(refusal(/open; chmod go-w it/));
  },
);

it.each([0o777, 0o1777])('(52) a file that is not there yet is refused in a directory of mode %o', (mode) => {
  const file = put('open/other');
  chmodSync(path.dirname(file), mode);
  for (const missing of ['open/keys', 'open/no/keys'])
    expect(() => read(path.join(directory, missing))).toThrow(refusal(/open; chmod go-w it/));
});

it('(52) so is one further down, unless that directory is sticky, as /tmp', () => {
  const file = put('open/ours/keys');
  chmodSync(path.join(directory, 'open'), 0o777);
  expect(() => read(file)).toThrow(refusal(/open; chmod go-w it/));
  chmodSync(path.join(directory, 'open'), 0o1777);
  expect(read(file)).toBe('what it says');
});

describe('of somebody else', () => {
  /** Root gives it away; whoever is not root is said to be somebody else. */
  function giveAway(place: string): void {
    if (process.getuid!() === 0) chownSync(place, 65_534, 65_534);
    else jest.spyOn(process, 'geteuid').mockReturnValue(process.getuid!() + 1);
  }

  it.each(['given/keys', 'given'])('(52) %s is refused, with the fix', (name) => {
    const file = put('given/keys');
    giveAway(path.join(directory, name));
    expect(() => read(file)).toThrow(refusal(/belongs to user \d+; chown it/));
  });
});

describe('links', () => {
  it('(52) are followed to what they lead to, one by one, as where a set is published by a link', () => {
    put('2026-11/keys');
    symlinkSync('2026-11', path.join(directory, 'now'));
    symlinkSync('./now/../now/keys', path.join(directory, 'keys'));
    expect(read(path.join(directory, 'keys'))).toBe('what it says');
    symlinkSync(path.join(directory, 'keys'), path.join(directory, 'absolute'));
    expect(trustedPath(path.join(directory, 'absolute'))).toBe(path.join(directory, '2026-11', 'keys'));
  });

  it('(52) in a directory that others can write are refused, wherever they lead', () => {
    const file = put('keys');
    mkdirSync(path.join(directory, 'open'));
    chmodSync(path.join(directory, 'open'), 0o1777);
    symlinkSync(file, path.join(directory, 'open', 'keys'));
    expect(() => read(path.join(directory, 'open', 'keys'))).toThrow(refusal(/open; chmod go-w it/));
  });

  it.each(['open', 'open/keys'])('(52) to what others can change are refused: %s', (name) => {
    const file = put('open/keys');
    chmodSync(path.join(directory, name), 0o777);
    symlinkSync(file, path.join(directory, 'link'));
    expect(() => read(path.join(directory, 'link'))).toThrow(refusal(new RegExp(`${name}; chmod go-w it`)));
  });

  it('(52) of somebody else are refused, though they lead to what is ours', () => {
    symlinkSync(put('keys'), path.join(directory, 'link'));
    if (process.getuid!() === 0) lchownSync(path.join(directory, 'link'), 65_534, 65_534);
    else jest.spyOn(process, 'geteuid').mockReturnValue(process.getuid!() + 1);
    expect(() => read(path.join(directory, 'link'))).toThrow(refusal(/belongs to user \d+; chown it/));
  });

  it('(52) that lead to themselves are refused', () => {
    symlinkSync('b', path.join(directory, 'a'));
    symlinkSync('a', path.join(directory, 'b'));
    expect(() => read(path.join(directory, 'a'))).toThrow(refusal(/more than 40 links/));
  });
});

it('(49) a pipe that nobody writes to, or a directory, holds nobody up', () => {
  const pipe = path.join(directory, 'pipe');
  expect(spawnSync('mkfifo', ['-m', '600', pipe]).status).toBe(0);
  for (const place of [pipe, directory]) expect(() => read(place)).toThrow(refusal(/is no ordinary file/));
});

it('(49) what is larger than it may be is not read', () => {
  const file = put('keys');
  truncateSync(file, 1024);
  expect(read(file)).toHaveLength(1024);
  truncateSync(file, 1025);
  expect(() => read(file)).toThrow(refusal(/more than 1024 bytes/));
});

it('(49) what is not there is told by the system', () => {
  expect(() => read(path.join(directory, 'keys'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
});
