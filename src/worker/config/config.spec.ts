import { chmodSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SetupError } from '../state/setup-error.js';
import { readWorkerConfig } from './config.js';

const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'leasehold-config-')));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function put(name: string, text: string, mode = 0o600): string {
  const file = path.join(directory, name);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

const LEAST = {
  rootUrl: 'https://tasks.example.com/',
  credentials: { clientId: 'worker', accessToken: 'hunter2-hunter2' },
  workerGroup: 'group',
  workerId: 'worker',
  taskQueues: ['builds/linux'],
  stateDir: 'state',
  signatures: { keySet: 'keys.json' },
};
const read = (config: unknown, mode?: number) => readWorkerConfig(put('worker.json', JSON.stringify(config), mode));

it('fills in what is not said, and paths begin at the folder of the file', () => {
  const config = read(LEAST);
  expect(config).toMatchObject({
    ...{ rootUrl: 'https://tasks.example.com', capacity: 1, isolation: 'bubblewrap', networks: ['none', 'proxy'], hostEnv: [] },
    ...{ stateDir: path.join(directory, 'state'), workDir: path.join(directory, 'state/tasks') },
    signatures: { policy: 'require', audience: 'https://tasks.example.com', skew: 60, keySet: path.join(directory, 'keys.json') },
    sandbox: { bubblewrap: '/usr/bin/bwrap', rootfs: '/', readable: [], limits: { processes: 256, memory: 0 } },
    ...{ drain: { timeout: 60 }, grace: 5000, log: { maxBytes: 67_108_864 } },
  });
  expect(config.liveLog).toBeUndefined();
  expect(readWorkerConfig(path.join(directory, 'worker.json'), 'none').isolation).toBe('none');
});

it('reads secrets from files of the worker alone', () => {
  put('token', 'from-a-file\n');
  put('secret', 'two\nlines\n');
  const secrets = { a: { file: 'secret' }, b: { value: 'pé'.repeat(5461) } };
  const config = read({ ...LEAST, credentials: { clientId: 'worker', accessTokenFile: 'token' }, secrets });
  expect(config.credentials).toEqual({ clientId: 'worker', accessToken: 'from-a-file' });
  expect([...config.secrets]).toEqual([
    ['a', 'two\nlines\n'],
    ['b', 'pé'.repeat(5461)],
  ]);
});

it.each<[string, object, RegExp]>([
  ['a member that is missing', { workerId: undefined }, /^ {2}workerId: is missing/m],
  ['a misspelt member', { workerld: 'x' }, /^ {2}workerld: is no member; there are rootUrl, .*workerId/m],
  [
    'a misspelt member further down',
    { sandbox: { limits: { procesess: 5 } } },
    /^ {2}sandbox\.limits\.procesess: is no member; there are processes/m,
  ],
  ['a policy that there is not', { signatures: { policy: 'strict' } }, /^ {2}signatures\.policy: must be one of off, warn, require/m],
  ['no key set', { signatures: {} }, /^ {2}signatures\.keySet: is missing; name the file .* or set signatures\.policy to "off"/m],
  ['no task queue', { taskQueues: [] }, /^ {2}taskQueues: .*Ids of task queues like/m],
  ['a task queue that is none', { taskQueues: ['x'] }, /^ {2}taskQueues\.0: must match/m],
  [
    'two tokens',
    { credentials: { clientId: 'a', accessToken: 'hunter2', accessTokenFile: 'b' } },
    /^ {2}credentials: give one of accessToken, accessTokenFile, and just one/m,
  ],
  ['no token', { credentials: { clientId: 'a' } }, /^ {2}credentials: give one of accessToken, accessTokenFile, and just one/m],
  ['a secret that is nowhere', { secrets: { a: {} } }, /^ {2}secrets\.a: give one of file, value, and just one/m],
  ['a name of a secret', { secrets: { 'a b': { value: 'hunter2' } } }, /^ {2}secrets\.…: a name there has a letter or digit first/m],
  ['a URL that is none', { rootUrl: 'https://' }, /^ {2}rootUrl: is no URL/m],
  ['a URL with a user', { rootUrl: 'https://me:hunter2@example.com' }, /^ {2}rootUrl: is no URL without user/m],
  [
    'a URL with a fragment',
    { rootUrl: 'https://example.com/#hunter2' },
    /^ {2}rootUrl: is no URL without user, query and fragment; give one/m,
  ],
  [
    'a URL with an empty query',
    { rootUrl: 'https://example.com/?' },
    /^ {2}rootUrl: is no URL without user, query and fragment; give one/m,
  ],
  [
    'a client that no header can carry',
    { credentials: { clientId: 'hunter2\u2192', accessToken: 'hunter2' } },
    /^ {2}credentials\.clientId: must match .* \(As whom .*: the id of a client/m,
  ],
  ['a number that is none', { capacity: 'hunter2' }, /^ {2}capacity: must be integer \(How many/m],
])('%s is refused by its name, with the fix, and without any value', (_, members, says) => {
  const config = JSON.parse(JSON.stringify({ ...LEAST, ...members }));
  expect(() => read(config)).toThrow(SetupError);
  expect(() => read(config)).toThrow(says);
  expect(() => read(config)).not.toThrow(/hunter2/);
});

it.each<[string, object, RegExp]>([
  [
    'a secret that is too short to be redacted',
    { secrets: { a: { value: 'horse' } } },
    /^secrets\.a\.value: has fewer than 6 bytes, .*longer/,
  ],
  ['one of line breaks', { secrets: { a: { value: 'h\n\n\n\n\n\n' } } }, /^secrets\.a\.value: has fewer than 6 bytes/],
  ['one in a file', { secrets: { a: { file: 'short' } } }, /^secrets\.a: has fewer than 6 bytes/],
  ['one that is too long', { secrets: { a: { value: 'horse'.repeat(4000) } } }, /^secrets\.a\.value: has more than 16384 bytes, .*fewer/],
  ['one in a file that is too long', { secrets: { a: { file: 'long' } } }, /^secrets\.a: has more than 16384 bytes/],
  ['a token that is too short', { credentials: { clientId: 'a', accessToken: 'horse' } }, /^credentials\.accessToken: has fewer/],
  ['a token that is too long', { credentials: { clientId: 'a', accessTokenFile: 'long' } }, /^credentials\.accessTokenFile: has more/],
])('%s is refused, for it could not be kept out of logs', (_, members, says) => {
  put('short', 'horse');
  put('long', 'horse'.repeat(4000));
  expect(() => read({ ...LEAST, ...members })).toThrow(SetupError);
  expect(() => read({ ...LEAST, ...members })).toThrow(says);
  expect(() => read({ ...LEAST, ...members })).not.toThrow(/horse/);
});

it('all that is wrong is told at once', () => {
  expect(() => read({ ...LEAST, capacity: 0, grace: -1, isolation: 'try' })).toThrow(/capacity: .*isolation: .*grace: /s);
});

it('(56) is refused where others can read or write it', () => {
  expect(() => read(LEAST, 0o644)).toThrow(/worker\.json can be read by others; chmod 600 it/);
  expect(() => read(LEAST, 0o620)).toThrow(/chmod go-w it/);
  put('token', 'x', 0o640);
  expect(() => read({ ...LEAST, credentials: { clientId: 'a', accessTokenFile: 'token' } })).toThrow(
    /credentials\.accessTokenFile: .*token can be read by others/,
  );
});

it('what is no JSON, or not there, is told without any of it', () => {
  expect(() => readWorkerConfig(put('broken.json', '{\n"accessToken": "hunter2" "x"}'))).toThrow(/broken\.json is no JSON: .*in line 2/);
  expect(() => readWorkerConfig(put('broken.json', '{"accessToken": hunter2}'))).not.toThrow(/hunter2/);
  expect(() => readWorkerConfig(path.join(directory, 'missing.json'))).toThrow(/missing\.json is not there/);
  expect(() => read({ ...LEAST, secrets: { a: { file: 'nowhere' } } })).toThrow(/secrets\.a: .*nowhere is not there/);
});
