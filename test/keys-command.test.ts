import { execFile } from 'node:child_process';
import path from 'node:path';
import { openToken } from '../src/service/auth/token-cipher.js';
import { deriveKeys } from '../src/service/keys.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { freePort, onDatabase, ROOT, ServiceProcess } from './support/service-process.js';
import { later } from './support/signing-keys.js';

const COMMAND = path.resolve(process.env.LEASEHOLD_DIST ?? 'dist', 'src/cli/keys.js');

const NOBODY = `http://127.0.0.1:${await freePort()}`;

let database: TestDatabase;
let service: ServiceProcess;
beforeAll(async () => {
  database = await createDatabase();
  service = await new ServiceProcess({ ...onDatabase(database.url), LOG_LEVEL: 'trace' }).ready();
}, 60_000);
afterAll(async () => {
  await service.stop();
  await database.drop();
});

interface Ran {
  code: number;
  out: string;
  err: string;
}

/** The command as an operator runs it; `environment` replaces what names the service. */
function keys(words: string, environment: Record<string, string> = {}): Promise<Ran> {
  const { clientId, accessToken } = ROOT;
  const named = { TASKCLUSTER_ROOT_URL: service.url, TASKCLUSTER_CLIENT_ID: clientId, TASKCLUSTER_ACCESS_TOKEN: accessToken };
  const env = { PATH: process.env.PATH ?? '', ...named, ...environment };
  return new Promise((ended) => {
    execFile(process.execPath, [COMMAND, ...words.split(' ').filter(Boolean)], { env }, (error, out, err) =>
      ended({ code: Number(error?.code ?? 0), out, err }),
    );
  });
}

const asJson = async (words: string) => JSON.parse((await keys(`${words} --json`)).out).keys;

it('lists for people, and for programs', async () => {
  const { code, out, err } = await keys('list');
  expect([code, err]).toEqual([0, '']);
  const [head, ...rows] = out.trimEnd().split('\n');
  expect(head?.split(/ {2,}/)).toEqual(['KID', 'ALG', 'STATE', 'SIGNS FROM', 'UNTIL', 'DELETED AFTER']);
  expect(rows.map((row) => row.split(/ {2,}/).slice(1, 3))).toEqual([
    ['ES256', 'active'],
    ['RS256', 'active'],
  ]);
  expect((await asJson('list')).map(({ kid }: { kid: string }) => kid)).toEqual(rows.map((row) => row.split(' ')[0]));
});

it('rotates, and replaces at once', async () => {
  const [next] = await asJson('rotate ES256');
  expect(next).toMatchObject({ alg: 'ES256', state: 'next' });
  expect(await keys('rotate ES256')).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringMatching(/^Refused: A rotation of ES256 is under way/),
  });
  await later(database.pool, 3_600);
  expect((await keys('list')).out).toMatch(new RegExp(`^${next.kid} +ES256 +active`, 'm'));
  expect((await keys(`compromise ${next.kid}`)).out).toMatch(new RegExp(`^${next.kid} +ES256 +compromised`, 'm'));
  expect((await asJson('list')).filter(({ state }: { state: string }) => state === 'active')).toHaveLength(2);
});

it.each([
  ['', {}, 2, /^Usage: npm run keys/],
  ['list ES256', {}, 2, /^Usage/],
  ['rotate', {}, 2, /^Usage/],
  ['rotate ES256 RS256', {}, 2, /^Usage/],
  ['publish x', {}, 2, /^Usage/],
  ['rotate HS256', {}, 1, /^Refused: URL parameter alg = "HS256" must be ES256 or RS256$/],
  ['compromise nonsense', {}, 1, /^Refused: URL parameter kid/],
  [`compromise ${'x'.repeat(43)}`, {}, 1, /^Refused: There is no signing key x+;/],
  ['list', { TASKCLUSTER_ACCESS_TOKEN: '' }, 1, /^TASKCLUSTER_ACCESS_TOKEN is not set; set .* data\/credentials.env/],
  ['list', { TASKCLUSTER_ACCESS_TOKEN: 'wrong' }, 1, /^Refused: [\s\S]*\nCheck TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN\.$/],
  [
    'list',
    { TASKCLUSTER_ROOT_URL: NOBODY },
    1,
    /^The service cannot be reached \(ECONNREFUSED\); is it running, and is TASKCLUSTER_ROOT_URL/,
  ],
  ['list', { TASKCLUSTER_ROOT_URL: 'nonsense' }, 1, /^TASKCLUSTER_ROOT_URL is no URL/],
])('keys %s (%j) ends with %i and the fix', async (words, environment, code, says) => {
  const ran = await keys(words, environment as Record<string, string>);
  expect(ran).toMatchObject({ code, out: '' });
  expect(ran.err.trimEnd()).toMatch(says);
});

it('of all that no secret is in the log', async () => {
  const { rows } = await database.pool.query('select kid, sealed from signing_key where sealed is not null');
  const secrets = rows.map(({ kid, sealed }) => {
    const { MASTER_KEY = '' } = onDatabase(database.url);
    return JSON.parse(openToken(deriveKeys(MASTER_KEY).signing, kid, sealed)).d as string;
  });
  expect(secrets).toHaveLength(3);
  expect(service.output).toContain('a signing key was called compromised');
  for (const secret of secrets) expect(service.output).not.toContain(secret);
  expect(service.output).not.toMatch(/"d":|PRIVATE KEY/);
});
