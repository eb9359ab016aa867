import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compactVerify, importJWK } from 'jose';
import { normalForm } from '../src/signatures/normal-form.js';

/* The command as people and scripts run it. No service is there, and none is needed. */

const COMMAND = path.resolve(process.env.LEASEHOLD_DIST ?? 'dist', 'src/cli/signatures.js');

const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-signatures-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const at = (name: string) => path.join(directory, name);
const jsonOf = (name: string) => JSON.parse(readFileSync(at(name), 'utf8'));
const modeOf = (name: string) => statSync(at(name)).mode & 0o777;
function put(name: string, value: unknown, mode = 0o600): string {
  writeFileSync(at(name), typeof value === 'string' ? value : JSON.stringify(value));
  chmodSync(at(name), mode);
  return name;
}

interface Ran {
  code: number | null;
  out: string;
  err: string;
}

/** What each run printed: at the end it is looked through for secrets. */
const printed: string[] = [];

function run(args: readonly string[], input = ''): Promise<Ran> {
  const child = spawn(process.execPath, [COMMAND, ...args], { cwd: directory, env: { PATH: process.env.PATH ?? '' } });
  const ran: Ran = { code: null, out: '', err: '' };
  child.stdout.on('data', (chunk) => (ran.out += chunk));
  child.stderr.on('data', (chunk) => (ran.err += chunk));
  child.stdin.on('error', () => undefined); // it may have ended without reading
  child.stdin.end(input);
  return new Promise((ended) =>
    child.on('close', (code) => {
      printed.push(ran.out, ran.err);
      ended({ ...ran, code });
    }),
  );
}
const signatures = (words: string, input?: string) => run(words.split(' ').filter(Boolean), input);

const TASK = 'fN1SbArXTPSVFNUvaOlinQ';
const AUDIENCE = 'https://tasks.example.com';
const hour = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
const DEFINITION = {
  taskQueueId: 'builds/linux',
  scopes: ['secrets:get:build'],
  retries: 2,
  created: hour(0),
  deadline: hour(24),
  payload: { command: ['make', 'all'], env: { FOO: 'hunter2' } },
  metadata: { name: 'build', description: '', owner: 'o@example.com', source: 'https://example.com' },
};
/** No worker runs it, whoever signed it. */
const RESERVED = { ...DEFINITION, payload: { command: ['make'], env: { LD_PRELOAD: '/tmp/hunter2.so' } } };
/** What the queue shows of it. */
const SHOWN = normalForm(TASK, DEFINITION);

const SIGN = `--key creator.key.json --audience ${AUDIENCE} --task-id ${TASK}`;
const FOR = `--audience ${AUDIENCE} --task-id ${TASK} --task-queue builds/linux`;
const VERIFY = `--keys creator.jwks.json ${FOR}`;

beforeAll(async () => {
  expect(await signatures('keygen creator --kid creator --owner release --task-queue builds/* --task-queue tests/unit')).toMatchObject({
    code: 0,
    err: '',
  });
  put('task.json', DEFINITION);
  put('shown.json', SHOWN);
  put('good.jws', (await signatures(`sign task.json ${SIGN}`)).out);
});

describe('keygen', () => {
  it('(45, 53) makes a private key that only its owner can read, and a key set without it', async () => {
    expect([modeOf('creator.key.json'), modeOf('creator.jwks.json') & 0o133]).toEqual([0o600, 0]);
    const { d, ...half } = jsonOf('creator.key.json');
    expect(d).toMatch(/^[\w-]{43}$/);
    expect(jsonOf('creator.jwks.json')).toEqual({
      version: 1,
      keys: [{ ...half, owner: 'release', taskQueues: ['builds/*', 'tests/unit'] }],
    });
  });

  it('(45) takes the thumbprint for a kid, and either algorithm', async () => {
    const made = JSON.parse((await signatures('keygen p256 --alg ES256 --json')).out);
    expect(made).toEqual({
      kid: made.thumbprint,
      alg: 'ES256',
      thumbprint: expect.any(String),
      privateKey: 'p256.key.json',
      keySet: 'p256.jwks.json',
    });
    expect(jsonOf('p256.jwks.json').keys).toMatchObject([{ kid: made.kid, crv: 'P-256' }]);
  });

  it('(53) never writes over a key, and leaves no half of one', async () => {
    const before = readFileSync(at('creator.key.json'), 'utf8');
    expect(await signatures('keygen creator')).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/^creator\.key\.json is there already/),
    });
    expect(readFileSync(at('creator.key.json'), 'utf8')).toBe(before);
    put('half.jwks.json', 'mine');
    expect(await signatures('keygen half')).toMatchObject({ code: 1, err: expect.stringMatching(/^half\.jwks\.json is there already/) });
    expect([existsSync(at('half.key.json')), readFileSync(at('half.jwks.json'), 'utf8')]).toEqual([false, 'mine']);
  });

  it.each([
    ['keygen', 2, /one word is wanted/],
    ['keygen a b', 2, /one word is wanted/],
    ['keygen x --alg RS256', 2, /--alg is EdDSA or ES256/],
    ['keygen x --alg HS256', 2, /--alg is EdDSA or ES256/],
    ['keygen x --alg ES512', 2, /--alg is EdDSA or ES256/],
    ['keygen x --bits 1024', 2, /Unknown option '--bits'/],
    ['keygen x --kid', 2, /argument missing/],
    ['keygen x --kid=', 2, /--kid is empty/],
    ['keygen x --kid a"b', 1, /^keyset-invalid: .*kid that is not/],
    ['keygen x --task-queue */linux', 1, /^keyset-invalid: .*taskQueues/],
    ['keygen nowhere/x', 2, /nowhere\/x\.key\.json is not there, or a folder/],
  ])('(45) %s ends with %i, and no file is made', async (words, code, says) => {
    const before = readdirSync(directory);
    expect(await signatures(words)).toEqual({ code, out: '', err: expect.stringMatching(says) });
    expect(readdirSync(directory)).toEqual(before);
  });
});

describe('sign', () => {
  it('(1) makes a signature that another library takes', async () => {
    const jws = readFileSync(at('good.jws'), 'utf8').trim();
    const { payload, protectedHeader } = await compactVerify(jws, await importJWK(jsonOf('creator.jwks.json').keys[0], 'EdDSA'));
    expect(protectedHeader).toEqual({ alg: 'EdDSA', kid: 'creator', typ: 'leasehold-task+jws' });
    const task = JSON.parse(Buffer.from(payload).toString());
    expect(task).toMatchObject({ aud: AUDIENCE, taskId: TASK, taskQueueId: 'builds/linux', maxRuns: 3, definition: SHOWN });
    expect(task.exp).toBe(Math.floor(Date.parse(DEFINITION.deadline) / 1000));
    expect(Math.abs(task.iat - Date.now() / 1000)).toBeLessThan(120);
  });

  it('(1) reads standard input, and answers programs', async () => {
    const { taskQueueId: _, ...rest } = DEFINITION;
    const { out, code } = await signatures(
      `sign - ${SIGN} --task-queue tests/unit --expires-in 60 --max-runs 1 --json`,
      JSON.stringify(rest),
    );
    expect(code).toBe(0);
    const { signature, iat, exp, ...signed } = JSON.parse(out);
    expect(signed).toEqual({ kid: 'creator', alg: 'EdDSA', audience: AUDIENCE, taskId: TASK, taskQueueId: 'tests/unit', maxRuns: 1 });
    expect(exp - iat).toBe(60);
    expect(
      await signatures(`verify - --keys creator.jwks.json --audience ${AUDIENCE} --task-id ${TASK} --task-queue tests/unit`, signature),
    ).toMatchObject({ code: 0 });
  });

  it('(73) prints the body for createTask', async () => {
    const definition = { ...DEFINITION, payload: { command: ['make'] } };
    const { out, err, code } = await signatures(`sign - ${SIGN} --request`, JSON.stringify(definition));
    expect([code, err]).toEqual([0, '']);
    const { signature, ...body } = JSON.parse(out);
    expect(body).toEqual(normalForm(TASK, definition));
    put('body.json', body);
    expect(await signatures(`verify - ${VERIFY} --copy body.json`, signature)).toMatchObject({ code: 0 });
  });

  it('(73) signs just what is in the file where that is asked for', async () => {
    const { deadline: _, ...rest } = DEFINITION;
    put('rest.json', rest);
    const { out } = await signatures(`sign rest.json ${SIGN} --as-is --expires-in 60`);
    expect(await signatures(`verify - ${VERIFY} --copy rest.json`, out)).toMatchObject({ code: 0 });
    expect(await signatures(`sign rest.json ${SIGN} --expires-in 60`)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/no deadline/),
    });
  });

  it.each([0o640, 0o604, 0o620, 0o602, 0o644, 0o610])('(52) does not use a private key of mode %i', async (mode) => {
    put('open.key.json', jsonOf('creator.key.json'), mode);
    const ran = await signatures(`sign task.json ${SIGN.replace('creator.', 'open.')}`);
    expect(ran).toEqual({ code: 1, out: '', err: expect.stringMatching(/^open\.key\.json is open to others than you; chmod 600/) });
  });

  it.each<[string, string, number, RegExp]>([
    ['(37) no audience', `sign task.json --key creator.key.json --task-id ${TASK}`, 2, /--audience is missing/],
    ['(35) no task', `sign task.json --key creator.key.json --audience ${AUDIENCE}`, 2, /--task-id is missing/],
    ['(35) a task id that is none', `sign task.json ${SIGN}x`, 1, /^signature-payload-invalid: .*taskId must be/],
    ['(36) another task queue', `sign task.json ${SIGN} --task-queue builds/mac`, 2, /--task-queue is not the taskQueueId/],
    ['(36) another task queue', `sign task.json ${SIGN} --as-is --task-queue builds/mac`, 1, /^signature-payload-invalid: .*another one/],
    ['(36) no task queue', `sign no-queue.json ${SIGN}`, 2, /names no task queue/],
    ['(36) no task queue', `sign no-queue.json ${SIGN} --as-is`, 1, /no taskQueueId; set it/],
    ['(73) a member that there is not', `sign strange.json ${SIGN}`, 2, /has no normal form: A definition has no retires/],
    ['(73) two forms at once', `sign task.json ${SIGN} --as-is --request`, 2, /leave --as-is out/],
    ['(42) an end beyond the deadline', `sign task.json ${SIGN} --expires-in 90000`, 1, /beyond the deadline/],
    ['(42) no end', `sign no-deadline.json ${SIGN}`, 2, /The task has no deadline; set it/],
    ['(42) no end', `sign no-deadline.json ${SIGN} --as-is`, 1, /no deadline; set it, or say when/],
    ['(42) a deadline that has passed', `sign late.json ${SIGN}`, 1, /deadline of its definition has passed/],
    ['(39) no time at all', `sign task.json ${SIGN} --expires-in 0`, 1, /expires must be after now/],
    ['(39) no number', `sign task.json ${SIGN} --expires-in 1h`, 2, /is a whole number/],
    ['(38) no runs', `sign task.json ${SIGN} --max-runs 0`, 1, /maxRuns must be/],
    ['(67) a reserved variable', `sign reserved.json ${SIGN}`, 1, /^definition-reserved-env: .*may not set "LD_PRELOAD"/],
    ['(9) a key twice', `sign twice.json ${SIGN}`, 2, /twice\.json: it has "a" twice/],
    ['(11) an integer beyond 2^53', `sign large.json ${SIGN}`, 1, /an integer beyond 2\^53/],
    ['(14) a lone surrogate', `sign surrogate.json ${SIGN}`, 1, /lone surrogate/],
    ['(15) no UTF-8', `sign latin1.json ${SIGN}`, 2, /is not UTF-8/],
    ['(19) no JSON', `sign good.jws ${SIGN}`, 2, /good\.jws: it is not JSON/],
    ['(19) no object', `sign list.json ${SIGN}`, 2, /a definition is a JSON object/],
    ['(19) no file', `sign nothing.json ${SIGN}`, 2, /nothing\.json is not there/],
    ['(18) too much', `sign huge.json ${SIGN}`, 2, /has more than 2097152 bytes/],
    ['(45) no key', `sign task.json --audience x --task-id ${TASK}`, 2, /--key is missing/],
    ['(45) a key set', `sign task.json ${SIGN.replace('creator.key', 'mine.jwks')}`, 1, /^keyset-invalid: The private key is refused/],
    ['(45) a public key', `sign task.json ${SIGN.replace('creator.key', 'public.key')}`, 1, /is not private/],
    ['(45) no key at all', `sign task.json ${SIGN.replace('creator.key', 'no.key')}`, 2, /no\.key\.json is no private key/],
  ])('%s: is refused', async (_, words, code, says) => {
    const { deadline, taskQueueId, ...rest } = DEFINITION;
    put('no-queue.json', { ...rest, deadline });
    put('no-deadline.json', { ...rest, taskQueueId });
    put('late.json', { ...DEFINITION, deadline: hour(-1) });
    put('reserved.json', RESERVED);
    put('strange.json', { ...DEFINITION, retires: 3 });
    put('twice.json', '{"taskQueueId":"builds/linux","a":1,"a":2}');
    put('large.json', JSON.stringify(DEFINITION).replace('"retries":2', '"retries":2,"extra":{"id":9007199254740993}'));
    put('surrogate.json', JSON.stringify(DEFINITION).replace('make', '\\ud800'));
    put('list.json', []);
    put('huge.json', { x: 'x'.repeat(2_100_000) });
    put('mine.jwks.json', jsonOf('creator.jwks.json'));
    put('public.key.json', jsonOf('creator.jwks.json').keys[0]);
    put('no.key.json', `${readFileSync(at('creator.key.json'), 'utf8')},`);
    writeFileSync(at('latin1.json'), Buffer.from('{"name":"b\u00e4r"}', 'latin1'));
    expect(await signatures(words)).toEqual({ code, out: '', err: expect.stringMatching(says) });
  });
});

describe('verify', () => {
  it('(1, 63) tells by whom, until when and over what, and nothing of what it says', async () => {
    const { code, out, err } = await signatures(`verify good.jws ${VERIFY} --copy shown.json`);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^Good: signed by creator \(EdDSA\) at .*, for 3 runs\.\nThe queue's copy is the same\.\nThumbprint/);
    const json = JSON.parse((await signatures(`verify good.jws ${VERIFY} --json`)).out);
    expect(json).toMatchObject({
      good: true,
      compared: false,
      kid: 'creator',
      alg: 'EdDSA',
      maxRuns: 3,
      payloadDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(out).toContain(json.payloadDigest);
    expect(`${out}${JSON.stringify(json)}`).not.toMatch(/hunter2|make/);
  });

  it('(75) tells it of a task that is long over', async () => {
    const { code } = await signatures(`verify good.jws ${VERIFY} --run 2 --at ${hour(23)}`);
    expect(code).toBe(0);
  });

  it.each<[string, string, string]>([
    ['(35) another task', VERIFY.replace(TASK, 'dSlITZ4yQgmvxxAi4A8fHQ'), 'signature-context-mismatch'],
    ['(36) another task queue', VERIFY.replace('builds/linux', 'builds/mac'), 'signature-context-mismatch'],
    ['(47) a task queue that is not its', VERIFY.replace('builds/linux', 'tests/all'), 'signature-key-not-allowed'],
    ['(37) another deployment', VERIFY.replace(AUDIENCE, `${AUDIENCE}/`), 'signature-context-mismatch'],
    ['(38) a run too many', `${VERIFY} --run 3`, 'signature-context-mismatch'],
    ['(39) a later time', `${VERIFY} --at ${hour(25)}`, 'signature-expired'],
    ['(39) an earlier time', `${VERIFY} --at ${hour(-1)}`, 'signature-not-yet-valid'],
    ['(24) another key set', VERIFY.replace('creator', 'p256'), 'signature-unknown-key'],
    ['(46) a revoked key', VERIFY.replace('creator', 'revoked'), 'signature-key-not-valid'],
    ['(45) a broken key set', VERIFY.replace('creator.jwks', 'creator.key'), 'keyset-invalid'],
    ['(2, 40) a copy with more scopes', `${VERIFY} --copy wide.json`, 'definition-mismatch'],
    ['(73) a copy that is not in normal form', `${VERIFY} --copy task.json`, 'definition-mismatch'],
    ['(3) an empty copy', `${VERIFY} --copy empty.json`, 'definition-mismatch'],
  ])('%s: is refused with a code', async (_, words, code) => {
    put('wide.json', { ...SHOWN, scopes: ['*'] });
    put('empty.json', {});
    const { keys } = jsonOf('creator.jwks.json');
    put('revoked.jwks.json', { version: 2, keys: [{ ...keys[0], revoked: true }] });
    const { code: exit, out, err } = await signatures(`verify good.jws ${words} --json`);
    expect(exit).toBe(1);
    expect(JSON.parse(out)).toEqual({ good: false, code, detail: expect.any(String) });
    expect(err.trimEnd()).toBe(`${code}: ${JSON.parse(out).detail}`);
  });

  it.each<[string, string, string]>([
    ['(5) another payload', 'changed.jws', 'signature-invalid'],
    ['(31) a line more', 'lines.jws', 'signature-malformed'],
    ['(31) white space in front', 'space.jws', 'signature-malformed'],
    ['(55) nothing', 'empty.jws', 'signature-missing'],
  ])('%s: is refused', async (_, file, code) => {
    const [header, , signature] = readFileSync(at('good.jws'), 'utf8').trim().split('.');
    put('changed.jws', [header, Buffer.from('{}').toString('base64url'), signature].join('.'));
    put('lines.jws', `${readFileSync(at('good.jws'), 'utf8')}\n`);
    put('space.jws', ` ${readFileSync(at('good.jws'), 'utf8')}`);
    put('empty.jws', '');
    expect(await signatures(`verify ${file} ${VERIFY}`)).toEqual({ code: 1, out: '', err: expect.stringMatching(`^${code}: `) });
  });

  it('(67) is refused as workers would, where a reserved variable was signed', async () => {
    const jws = await signatures(`sign - ${SIGN} --as-is`, JSON.stringify(RESERVED));
    expect(jws.code).toBe(0);
    expect(await signatures(`verify - ${VERIFY}`, jws.out)).toEqual({
      code: 1,
      out: '',
      err: expect.stringMatching(/^definition-reserved-env: .*may not set "LD_PRELOAD"/),
    });
  });

  it.each([
    [`verify ${VERIFY}`, /one word is wanted/],
    [`verify good.jws ${FOR}`, /--keys is missing/],
    ['verify good.jws --keys creator.jwks.json', /--audience is missing/],
    [`verify good.jws ${VERIFY} --run -1`, /./],
    [`verify good.jws ${VERIFY} --at yesterday`, /--at is a timestamp or unix seconds/],
    [`verify good.jws ${VERIFY} --copy good.jws`, /good\.jws: it is not JSON/],
    [`verify nothing.jws ${VERIFY}`, /nothing\.jws is not there/],
    ['', /^Usage: npm run signatures/],
    ['check creator.jwks.json', /^Usage/],
    ['keys', /^Usage/],
    ['keys list creator.jwks.json', /^Usage/],
    ['constructor', /^Usage/],
  ])('(43) %s: neither good nor bad, the words are wrong', async (words, says) => {
    expect(await signatures(words)).toEqual({ code: 2, out: '', err: expect.stringMatching(says) });
  });
});

describe('keys check', () => {
  it('(46, 47) lists what keys are good for', async () => {
    const { code, out, err } = await signatures('keys check creator.jwks.json');
    expect([code, err]).toEqual([0, '']);
    const [heading, head, row] = out.split('\n');
    expect(heading).toBe('Version 1, expires -');
    expect(head?.split(/ {2,}/)).toEqual(['KID', 'ALG', 'STATE', 'FROM', 'UNTIL', 'TASK QUEUES', 'OWNER', 'THUMBPRINT']);
    expect(row?.split(/ {2,}/).slice(0, 7)).toEqual(['creator', 'EdDSA', 'valid', '-', '-', 'builds/* tests/unit', 'release']);
    const json = JSON.parse((await signatures('keys check creator.jwks.json --json')).out);
    expect(json).toMatchObject({
      good: true,
      problems: [],
      version: 1,
      keys: [{ kid: 'creator', state: 'valid', taskQueues: ['builds/*', 'tests/unit'] }],
    });
  });

  it.each<[string, object, RegExp, number?]>([
    ['(45) a private key', { version: 1, keys: ['PRIVATE'] }, /^keyset-invalid: .*key creator is a private key/],
    ['(45) a symmetric key', { version: 1, keys: [{ kty: 'oct', k: 'AAAA', kid: 'x', alg: 'HS256' }] }, /key x is symmetric/],
    ['(45) no version', { keys: ['PUBLIC'] }, /version must be/],
    ['(46) nothing but a revoked key', { version: 1, keys: ['REVOKED'] }, /Refused: none of its keys is valid now/],
    ['(50) a set that is too old', { version: 1, expires: 1_700_000_000, keys: ['PUBLIC'] }, /Refused: the set expired at 2023/],
    [
      '(52) a set that others can change',
      { version: 1, keys: ['PUBLIC'] },
      /Refused: others can write to bad\.jwks\.json.*chmod go-w/,
      0o664,
    ],
    ['(54) an older set', { version: 1, keys: ['PUBLIC'] }, /Refused: verifiers that have seen version 2 would not take it/],
  ])('%s: is refused', async (_, set, says, mode = 0o644) => {
    const [publicJwk] = jsonOf('creator.jwks.json').keys;
    const known: Record<string, unknown> = {
      PRIVATE: jsonOf('creator.key.json'),
      PUBLIC: publicJwk,
      REVOKED: { ...publicJwk, revoked: true },
    };
    const { keys, ...rest } = set as { keys: unknown[] };
    put('bad.jwks.json', { ...rest, keys: keys.map((key) => known[String(key)] ?? key) }, mode);
    put('newer.jwks.json', { version: 2, keys: [publicJwk] });
    const { code, out, err } = await signatures(
      `keys check bad.jwks.json${String(says).includes('version 2') ? ' --previous newer.jwks.json' : ''}`,
    );
    expect([code, out + err]).toEqual([1, expect.stringMatching(says)]);
  });
});

describe('keys rotate', () => {
  it('(46, 48, 54) adds a key for the same, ends the old one, and verifiers take the set', async () => {
    const before = readFileSync(at('creator.jwks.json'), 'utf8');
    const dry = await signatures('keys rotate creator.jwks.json next --kid next --dry-run');
    expect(dry).toMatchObject({ code: 0, out: expect.stringMatching(/^Would be done, but nothing was/) });
    expect([readFileSync(at('creator.jwks.json'), 'utf8'), existsSync(at('next.key.json'))]).toEqual([before, false]);

    put('before.jwks.json', before);
    const json = JSON.parse((await signatures('keys rotate creator.jwks.json next --kid next --lead 0 --overlap 3600 --json')).out);
    expect(json).toMatchObject({ dryRun: false, version: 2, added: { kid: 'next' }, old: { kid: 'creator' }, privateKey: 'next.key.json' });
    expect(json.old.until - json.added.from).toBe(3600);
    const { version, keys } = jsonOf('creator.jwks.json');
    expect([version, keys[0]]).toEqual([2, { ...JSON.parse(before).keys[0], exp: json.old.until }]);
    expect(keys[1]).toMatchObject({
      kid: 'next',
      alg: 'EdDSA',
      nbf: json.added.from,
      owner: 'release',
      taskQueues: ['builds/*', 'tests/unit'],
    });
    expect(keys[1].d).toBeUndefined();
    expect([modeOf('next.key.json'), existsSync(at('creator.jwks.json.next'))]).toEqual([0o600, false]);
    expect(await signatures('keys check creator.jwks.json --previous before.jwks.json')).toMatchObject({ code: 0 });

    put('next.jws', (await signatures(`sign task.json ${SIGN.replace('creator.key', 'next.key')}`)).out);
    for (const file of ['good.jws', 'next.jws']) expect(await signatures(`verify ${file} ${VERIFY}`)).toMatchObject({ code: 0 });
    expect(await signatures(`verify good.jws ${VERIFY} --at ${hour(2)}`)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^signature-key-not-valid: Key creator is expired/),
    });
    expect(await signatures(`verify next.jws ${VERIFY} --at ${hour(2)}`)).toMatchObject({ code: 0 });
  });

  it.each([0o600, 0o640, 0o666])('(48, 52) changes the set that a link leads to, which keeps its mode %i and its owner', async (mode) => {
    mkdirSync(at(`of-${mode}`));
    put(`of-${mode}/set.json`, jsonOf('p256.jwks.json'), mode);
    if (process.getuid?.() === 0) chownSync(at(`of-${mode}/set.json`), 12_345, 12_345);
    const { uid, gid } = statSync(at(`of-${mode}/set.json`));
    symlinkSync(`of-${mode}/set.json`, at(`link-${mode}`));
    expect(await signatures(`keys rotate link-${mode} of-${mode}/linked`)).toMatchObject({ code: 0, err: '' });
    expect(lstatSync(at(`link-${mode}`)).isSymbolicLink()).toBe(true);
    expect(jsonOf(`of-${mode}/set.json`)).toMatchObject({ version: 2, keys: [{}, {}] });
    expect(statSync(at(`of-${mode}/set.json`))).toMatchObject({ uid, gid });
    expect(modeOf(`of-${mode}/set.json`)).toBe(mode);
    expect(readdirSync(at(`of-${mode}`)).sort()).toEqual(['linked.key.json', 'set.json']);
  });

  it('(54) two at once do not lose one of the keys', async () => {
    await signatures('keygen race --kid race');
    const rans = await Promise.all(
      ['one', 'two', 'three'].map((name) => signatures(`keys rotate race.jwks.json ${name} --kid ${name} --old race --lead 0`)),
    );
    const done = ['one', 'two', 'three'].filter((_, index) => rans[index]?.code === 0);
    expect(done.length).toBeGreaterThan(0);
    const { version, keys } = jsonOf('race.jwks.json');
    const known = keys.map(({ kid }: { kid: string }) => kid);
    expect(version).toBe(keys.length);
    expect(['one', 'two', 'three'].filter((name) => existsSync(at(`${name}.key.json`)))).toEqual(done);
    for (const name of done) expect(known).toContain(name);
  });

  it.each<[string, number, RegExp]>([
    ['keys rotate old.jwks.json', 2, /2 words are wanted/],
    ['keys rotate old.jwks.json new', 2, /2 keys are valid; say by --old which is to be replaced: creator, other/],
    ['keys rotate old.jwks.json new --old nobody', 1, /has no key nobody/],
    ['keys rotate old.jwks.json new --old revoked', 1, /key revoked is revoked: there is nothing to rotate/],
    ['keys rotate old.jwks.json new --old other --kid creator', 1, /^keyset-invalid: .*two keys creator/],
    ['keys rotate old.jwks.json new --old other --alg PS512', 2, /--alg is EdDSA or ES256/],
    ['keys rotate old.jwks.json new --old other --lead 2000', 1, /key other ends at .*, before the new one begins/],
    ['keys rotate old.jwks.json taken --old other', 1, /taken\.key\.json is there already/],
    ['keys rotate - new --old other', 2, /in its file, not on standard input/],
    ['keys rotate nothing.json new', 2, /nothing\.json is not there/],
    ['keys rotate dangling.json new', 2, /dangling\.json is not there/],
    ['keys rotate locked-link.json new', 1, /locked\.jwks\.json\.next is there: locked-link\.json is being changed/],
    ['keys rotate taken.key.json new', 1, /^keyset-invalid/],
    ['keys rotate locked.jwks.json new', 1, /locked\.jwks\.json\.next is there: .* being changed/],
  ])('(54) %s ends with %i, and nothing is changed', async (words, code, says) => {
    const { keys } = JSON.parse(readFileSync(at('before.jwks.json'), 'utf8'));
    const other = { ...jsonOf('p256.jwks.json').keys[0], kid: 'other', exp: Math.floor(Date.now() / 1000) + 1000 };
    const revoked = { ...jsonOf('race.jwks.json').keys[0], kid: 'revoked', revoked: true };
    put('old.jwks.json', { version: 1, keys: [keys[0], other, revoked] });
    put('locked.jwks.json', { version: 1, keys });
    put('locked.jwks.json.next', '');
    for (const [link, to] of Object.entries({ 'dangling.json': 'nowhere.json', 'locked-link.json': 'locked.jwks.json' }))
      if (!readdirSync(directory).includes(link)) symlinkSync(to, at(link));
    put('taken.key.json', jsonOf('creator.key.json'));
    const before = ['old.jwks.json', 'locked.jwks.json', 'taken.key.json'].map((name) => readFileSync(at(name), 'utf8'));
    const files = readdirSync(directory);
    expect(await signatures(words)).toEqual({ code, out: '', err: expect.stringMatching(says) });
    expect(['old.jwks.json', 'locked.jwks.json', 'taken.key.json'].map((name) => readFileSync(at(name), 'utf8'))).toEqual(before);
    expect(readdirSync(directory)).toEqual(files);
  });
});

it('help is no mistake', async () => {
  expect(await signatures('help')).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^Usage: npm run signatures/) });
});

it('(53, 63) in all that was printed there is no secret and no value of a definition', () => {
  const secrets = readdirSync(directory)
    .filter((name) => name.endsWith('.key.json') && name !== 'no.key.json')
    .map((name) => jsonOf(name).d)
    .filter(Boolean);
  expect(secrets.length).toBeGreaterThan(4);
  expect(printed.length).toBeGreaterThan(150);
  for (const secret of [...secrets, 'hunter2']) expect(printed.filter((text) => text.includes(secret))).toEqual([]);
});
