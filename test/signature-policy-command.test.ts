import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { generateKey } from '../src/signatures/generate-key.js';
import { freePort } from './support/service-process.js';
import { startTestService, type TestService } from './support/test-service.js';

/* `npm run signatures -- policy …`, as operators and scripts run it, against the service. */

const COMMAND = path.resolve(process.env.LEASEHOLD_DIST ?? 'dist', 'src/cli/signatures.js');
const NOBODY = `http://127.0.0.1:${await freePort()}`;

const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-policies-'));
const CREATOR = generateKey('EdDSA', { kid: 'creator', owner: 'release', taskQueues: ['builds/*'] });
const put = (name: string, value: unknown) => writeFileSync(path.join(directory, name), JSON.stringify(value));

let test: TestService;
beforeAll(async () => {
  test = await startTestService();
  put('keys.json', { version: 2, keys: [CREATOR.publicJwk] });
  put('older.json', { version: 1, keys: [CREATOR.publicJwk] });
  put('private.json', { version: 3, keys: [CREATOR.privateJwk] });
  await policy('set refused/older off --keys keys.json');
});
afterAll(async () => {
  await test.close();
  rmSync(directory, { recursive: true });
});

interface Ran {
  code: number;
  out: string;
  err: string;
}

function policy(words: string, environment: Record<string, string> = {}, { clientId, accessToken } = test.root.credentials!): Promise<Ran> {
  const named = { TASKCLUSTER_ROOT_URL: test.root.url, TASKCLUSTER_CLIENT_ID: clientId, TASKCLUSTER_ACCESS_TOKEN: accessToken };
  const env = { PATH: process.env.PATH ?? '', ...named, ...environment };
  return new Promise((ended) => {
    execFile(process.execPath, [COMMAND, 'policy', ...words.split(' ').filter(Boolean)], { cwd: directory, env }, (error, out, err) =>
      ended({ code: Number(error?.code ?? 0), out, err }),
    );
  });
}

it('(60) sets a policy and whose signatures are believed, and shows both', async () => {
  const set = await policy('set builds/linux warn --keys keys.json');
  expect([set.code, set.err]).toEqual([0, '']);
  const [first, heading, head, row] = set.out.split('\n');
  expect(first).toMatch(/^builds\/linux: warn, set by static\/root at 20\d\d-/);
  expect(heading).toBe('Version 2, expires -');
  expect(head?.split(/ {2,}/).slice(0, 3)).toEqual(['KID', 'ALG', 'STATE']);
  expect(row?.split(/ {2,}/).slice(0, 7)).toEqual(['creator', 'EdDSA', 'valid', '-', '-', 'builds/*', 'release']);
  expect(await policy('show builds/linux')).toEqual(set);
  const shown = { taskQueueId: 'builds/linux', policy: 'warn', keySet: { version: 2, keys: [CREATOR.publicJwk] } };
  expect(JSON.parse((await policy('show builds/linux --json')).out)).toMatchObject(shown);
});

it('keeps the key set where none is given', async () => {
  await policy('set builds/mac warn --keys keys.json');
  const set = JSON.parse((await policy('set builds/mac require --json')).out);
  expect(set).toMatchObject({ policy: 'require', keySet: { version: 2 } });
  expect((await policy('set builds/mac off')).out).toMatch(/^builds\/mac: off, set by .*\nVersion 2/);
});

it('shows what nobody has set', async () => {
  expect(await policy('show nobody/there')).toEqual({
    code: 0,
    out: 'nobody/there: off, as long as nobody sets another\nIt has no key set.\n',
    err: '',
  });
});

it('lists all of them, also those of further pages', async () => {
  await policy('set tests/unit warn --keys keys.json');
  const many = `insert into signature_policy (task_queue_id, policy, revision) select 'many/q' || n, 'warn', 0 from generate_series(1, 1001) n`;
  await test.database.pool.query(many);
  const { code, out, err } = await policy('list');
  expect([code, err]).toEqual([0, '']);
  const [head, ...rows] = out
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));
  expect(head).toEqual(['TASK QUEUE', 'POLICY', 'KEY SET VERSION', 'KEYS', 'CHANGED', 'BY']);
  const { signaturePolicies } = JSON.parse((await policy('list --json')).out);
  expect(rows.map(([taskQueueId]) => taskQueueId)).toEqual(signaturePolicies.map((one: { taskQueueId: string }) => one.taskQueueId));
  expect(rows.filter(([taskQueueId]) => taskQueueId?.startsWith('many/'))).toHaveLength(1001);
  const [ours] = rows.filter(([taskQueueId]) => taskQueueId === 'tests/unit');
  expect(ours).toEqual(['tests/unit', 'warn', '2', '1', expect.stringMatching(/^20\d\d-/), 'static/root']);
});

it.each<[string, string, Record<string, string>, number, RegExp]>([
  ['no verb', '', {}, 2, /^Usage: npm run signatures/],
  ['another verb', 'clear builds/linux', {}, 2, /^Usage/],
  ['no task queue', 'show', {}, 2, /one word is wanted/],
  ['two task queues', 'show a/b c/d', {}, 2, /one word is wanted/],
  ['a word to a list', 'list builds/linux', {}, 2, /0 words are wanted/],
  ['no policy', 'set builds/linux', {}, 2, /2 words are wanted/],
  ['another policy', 'set builds/linux enforce', {}, 2, /a policy is off, warn, require, not "enforce"/],
  ['another option', 'set builds/linux off --force', {}, 2, /Unknown option '--force'/],
  ['no file', 'set builds/linux warn --keys nothing.json', {}, 2, /nothing\.json is not there/],
  [
    '(45) a private key',
    'set builds/linux warn --keys private.json',
    {},
    1,
    /^keyset-invalid: private\.json: .*key creator is a private key/,
  ],
  ['(54) an older key set', 'set refused/older warn --keys older.json', {}, 1, /^Refused: .*has version 2 of its key set/],
  ['(60) no keys', 'set refused/unkeyed require', {}, 1, /^Refused: policy require needs a key set/],
  ['no task queue that can be', 'show builds', {}, 1, /^Refused: URL parameter taskQueueId/],
  ['no service', 'list', { TASKCLUSTER_ROOT_URL: '' }, 1, /^TASKCLUSTER_ROOT_URL is not set/],
  ['a service that is away', 'list', { TASKCLUSTER_ROOT_URL: NOBODY }, 1, /^The service cannot be reached \(ECONNREFUSED\)/],
  ['a wrong token', 'list', { TASKCLUSTER_ACCESS_TOKEN: 'wrong' }, 1, /Check TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN/],
])('%s: is refused with the fix, and nothing is changed', async (_, words, environment, code, says) => {
  const policies = () => test.database.pool.query('select task_queue_id, policy, key_set, revision from signature_policy order by 1');
  const { rows } = await policies();
  const ran = await policy(words, environment);
  expect(ran).toEqual({ code, out: '', err: expect.stringMatching(says) });
  expect((await policies()).rows).toEqual(rows);
});

it('needs the scopes of the operations', async () => {
  const { credentials } = await test.client('queue:get-signature-policy:builds/linux');
  const as = (words: string) => policy(words, {}, credentials);
  expect(await as('show builds/linux')).toMatchObject({ code: 0, err: '' });
  for (const words of ['show builds/mac', 'list', 'set builds/linux off'])
    expect(await as(words)).toEqual({ code: 1, out: '', err: expect.stringMatching(/^Refused: .*queue:/s) });
});
