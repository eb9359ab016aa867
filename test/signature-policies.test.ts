import { DatabaseAway } from '../src/service/postgres/database-away.js';
import { SignatureCounts, type SignatureVerdict } from '../src/service/signatures/signature-counts.js';
import { SignaturePolicies } from '../src/service/signatures/signature-policies.js';
import { generateKey, type KeyTerms } from '../src/signatures/generate-key.js';
import { signTask } from '../src/signatures/sign-task.js';
import { SignatureError } from '../src/signatures/signature-error.js';
import { signerOf } from '../src/signatures/signer.js';
import { verifyTask } from '../src/signatures/verify-task.js';
import { policyPath } from './operations/world.js';
import { type Answer, definition, slugid } from './support/api.js';
import { keySetOf } from './support/key-sets.js';
import { eventually } from './support/service-process.js';
import { ok, refused } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

/** What two replicas make of signature policies. Each operation by itself: operations/queue/setSignaturePolicy.ts and its neighbours. */

type Replica = Pick<TestService, 'root' | 'service'>;

let test: TestService;
let other: Awaited<ReturnType<TestService['replica']>>;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600 });
  other = await test.replica();
});
afterAll(async () => {
  await other.close();
  await test.close();
});

let names = 0;
const queue = () => `policies/q${names++}`;
const nowSeconds = () => Math.floor(Date.now() / 1000);
const set = (taskQueueId: string, body: object, at: Replica = test): Promise<Answer> => at.root.put(policyPath(taskQueueId), body);
const policiesOf = ({ service }: Replica = test) => service.app.get(SignaturePolicies);
const versionAt = (taskQueueId: string, at: Replica) => policiesOf(at).of(taskQueueId).keySet?.version;

/** A key, and how the key set of a task queue finds what it has signed. */
function creator(terms: KeyTerms = {}) {
  const { privateJwk, publicJwk } = generateKey('ES256', terms);
  const [taskId, audience] = [slugid(), 'https://tasks.example.com'];
  const verdictOn = async (taskQueueId: string, at: Replica): Promise<string> => {
    const context = { audience, taskId, taskQueueId, iat: nowSeconds(), exp: nowSeconds() + 600, maxRuns: 1 };
    const jws = await signTask(signerOf(privateJwk), context, { payload: {} });
    try {
      verifyTask(jws, { audience, taskId, taskQueueId, runId: 0, now: nowSeconds(), skew: 0 }, policiesOf(at).of(taskQueueId).keySet);
      return 'good';
    } catch (error) {
      return (error as SignatureError).code;
    }
  };
  return { publicJwk, verdictOn };
}

describe('replicas', () => {
  it('(48) believe a key that was added, and none that was taken out, without a restart', async () => {
    const taskQueueId = queue();
    const [first, second] = [creator({ kid: 'first' }), creator({ kid: 'second' })];
    await ok(set(taskQueueId, { policy: 'require', keySet: { version: 1, keys: [first.publicJwk] } }));
    await eventually('the other one knows the set', () => versionAt(taskQueueId, other) === 1);
    expect(policiesOf(other).of(taskQueueId).policy).toBe('require');
    for (const at of [test, other]) {
      expect(await first.verdictOn(taskQueueId, at)).toBe('good');
      expect(await second.verdictOn(taskQueueId, at)).toBe('signature-unknown-key');
    }
    await ok(set(taskQueueId, { policy: 'require', keySet: { version: 2, keys: [second.publicJwk] } }, other));
    await eventually('this one knows the next', () => versionAt(taskQueueId, test) === 2);
    for (const at of [test, other]) {
      expect(await first.verdictOn(taskQueueId, at)).toBe('signature-unknown-key');
      expect(await second.verdictOn(taskQueueId, at)).toBe('good');
    }
  });

  it('who set a policy finds it in memory at once', async () => {
    const taskQueueId = queue();
    for (const policy of ['warn', 'off', 'warn']) {
      await ok(set(taskQueueId, { policy }));
      expect(policiesOf().of(taskQueueId).policy).toBe(policy);
    }
  });

  it('hear of a change within the 2 s of the poll where no notification comes', async () => {
    const taskQueueId = queue();
    await ok(set(taskQueueId, { policy: 'warn' }));
    await eventually('it is known', () => policiesOf(other).of(taskQueueId).policy === 'warn');
    await test.database.pool.query(
      `with raised as (update signature_policy_revision set revision = revision + 1 returning revision)
       update signature_policy set policy = 'off', revision = raised.revision from raised where task_queue_id = $1`,
      [taskQueueId],
    );
    for (const at of [test, other]) await eventually('the poll sees it', () => policiesOf(at).of(taskQueueId).policy === 'off', 4_000);
  });

  it('read a key set once, whatever else changes', async () => {
    const [one, another] = [queue(), queue()];
    await ok(set(one, { policy: 'warn', keySet: keySetOf(1, {}) }));
    const { keySet } = policiesOf().of(one);
    await ok(set(another, { policy: 'warn', keySet: keySetOf(1, {}) }));
    expect(policiesOf().of(one).keySet).toBe(keySet);
    expect(Object.isFrozen(keySet)).toBe(true);
  });

  it('know all of it after a restart', async () => {
    const taskQueueId = queue();
    await ok(set(taskQueueId, { policy: 'require', keySet: keySetOf(9, { kid: 'kept' }) }));
    const next = await test.replica();
    expect(policiesOf(next).of(taskQueueId)).toMatchObject({ policy: 'require', keySet: { version: 9, keys: { kept: { kid: 'kept' } } } });
    expect(policiesOf(next).of('never/set')).toEqual({ policy: 'off' });
    await refused(set(taskQueueId, { policy: 'off', keySet: keySetOf(8, {}) }, next), 409);
    await next.close();
  });

  it('do not trust what they could not check for 5 s', async () => {
    const policies = policiesOf(other);
    const copy = Reflect.get(policies, 'copy');
    const read = copy.read;
    await policies.fresh();
    try {
      copy.read = () => Promise.reject(new DatabaseAway('it hangs'));
      copy.checkedAt = performance.now() - 5_001;
      await expect(policies.fresh()).rejects.toThrow(DatabaseAway);
      expect(await refused(other.root.put(`/queue/v1/task/${slugid()}`, definition()), 503)).toMatch(/cannot be asked/);
    } finally {
      copy.read = read;
    }
    await policies.fresh();
    await ok(other.root.put(`/queue/v1/task/${slugid()}`, definition()));
  });

  it('believe nobody in a task queue whose key set was spoilt in the database, and go on elsewhere', async () => {
    const [spoilt, sound] = [queue(), queue()];
    for (const taskQueueId of [spoilt, sound]) await ok(set(taskQueueId, { policy: 'require', keySet: keySetOf(1, { kid: 'k' }) }));
    await test.database.pool.query(`update signature_policy set key_set = '{"version":1}' where task_queue_id = $1`, [spoilt]);
    const next = await test.replica();
    for (let n = 0; n < 2; n++) {
      expect(policiesOf(next).of(spoilt)).toMatchObject({ policy: 'require', keySet: undefined });
      expect(policiesOf(next).of(sound)).toMatchObject({ policy: 'require', keySet: { version: 1 } });
    }
    await next.close();
  });
});

describe('a key set', () => {
  it('(54) is never replaced by an older one, whoever sets it at the same time', async () => {
    const taskQueueId = queue();
    const versions = [5, 3, 9, 1, 7, 2, 8, 4, 6, 9, 5, 9];
    const answers = await Promise.all(
      versions.map((version, n) => set(taskQueueId, { policy: 'require', keySet: keySetOf(version, {}) }, n % 2 ? other : test)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 409]));
    const { rows } = await test.database.pool.query(
      `select (detail->>'keySetVersion')::integer as version from audit_entry where detail->>'taskQueueId' = $1 order by tx, id`,
      [taskQueueId],
    );
    const stored = rows.map(({ version }) => version);
    expect(stored).toEqual([...new Set(stored)].sort((one, another) => one - another)); // of the three of version 9, one
    expect(stored.at(-1)).toBe(9);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(stored.length);
    for (const { body } of answers.filter(({ status }) => status === 409)) expect(body.message).toMatch(/has version \d of its key set/);
  });

  it('(46, 54) cannot bring back a key that was revoked, not even by way of off', async () => {
    const taskQueueId = queue();
    const { publicJwk, verdictOn } = creator({ kid: 'leaked' });
    const before = { version: 1, keys: [publicJwk] };
    await ok(set(taskQueueId, { policy: 'require', keySet: before }));
    expect(await verdictOn(taskQueueId, test)).toBe('good');
    await ok(set(taskQueueId, { policy: 'require', keySet: { version: 2, keys: [{ ...publicJwk, revoked: true }] } }));
    expect(await verdictOn(taskQueueId, test)).toBe('signature-key-not-valid');
    await ok(set(taskQueueId, { policy: 'off' }));
    for (const at of [test, other]) await refused(set(taskQueueId, { policy: 'require', keySet: before }, at), 409);
    await ok(set(taskQueueId, { policy: 'require' }));
    expect(await verdictOn(taskQueueId, test)).toBe('signature-key-not-valid');
  });

  it('(46) has keys that begin and end', async () => {
    const taskQueueId = queue();
    const [early, late] = [creator({ exp: nowSeconds() - 60 }), creator({ nbf: nowSeconds() + 600 })];
    await ok(set(taskQueueId, { policy: 'require', keySet: { version: 1, keys: [early.publicJwk, late.publicJwk] } }));
    for (const { verdictOn } of [early, late]) expect(await verdictOn(taskQueueId, test)).toBe('signature-key-not-valid');
  });

  it('(47) has keys for certain task queues, which are refused elsewhere', async () => {
    const [own, foreign] = [queue(), queue()];
    const { publicJwk, verdictOn } = creator({ taskQueues: [own] });
    for (const taskQueueId of [own, foreign]) await ok(set(taskQueueId, { policy: 'require', keySet: { version: 1, keys: [publicJwk] } }));
    expect([await verdictOn(own, test), await verdictOn(foreign, test)]).toEqual(['good', 'signature-key-not-allowed']);
  });

  it('that has expired meanwhile is no reason to keep a policy, nor one for require', async () => {
    const taskQueueId = queue();
    const keySet = { ...keySetOf(1, {}), expires: nowSeconds() + 2 };
    await ok(set(taskQueueId, { policy: 'require', keySet }));
    await eventually('it has expired', () => Date.now() / 1000 > keySet.expires + 0.2);
    await ok(set(taskQueueId, { policy: 'require', keySet })); // as it is
    await ok(set(taskQueueId, { policy: 'off' }));
    await ok(set(taskQueueId, { policy: 'warn' }));
    expect(await refused(set(taskQueueId, { policy: 'require' }), 400)).toMatch(/The key set expired at \S+Z/);
    await ok(set(taskQueueId, { policy: 'require', keySet: { ...keySet, version: 2, expires: nowSeconds() + 600 } }));
  });
});

describe('bounds', () => {
  const fill = (keys: number, bytes: number) =>
    test.database.pool.query(
      `insert into signature_policy (task_queue_id, policy, key_set, key_set_version, key_set_digest, key_set_keys, revision)
       values ('full/full', 'off', repeat('x', $2), 1, '', $1, 0)`,
      [keys, bytes],
    );
  afterEach(() => test.database.pool.query(`delete from signature_policy where task_queue_id like 'full/%'`));

  it.each([
    ['20 000 keys', 20_000, 1, /may have 20000 keys; shorten key sets of others/],
    ['32 MiB', 1, 33_554_432, /may have 33554432 bytes; shorten key sets of others/],
  ])('of all key sets together: %s', async (_, keys, bytes, says) => {
    const known = queue();
    await ok(set(known, { policy: 'require', keySet: keySetOf(1, {}) }));
    const { rows } = await test.database.pool.query('select sum(key_set_keys)::integer as keys, sum(octet_length(key_set)) as bytes from signature_policy'); // biome-ignore format: one statement
    await fill(keys === 1 ? 1 : keys - rows[0].keys, bytes === 1 ? 1 : bytes - rows[0].bytes);
    expect(await refused(set(queue(), { policy: 'warn', keySet: keySetOf(1, {}) }), 409)).toMatch(says);
    expect(await refused(set(known, { policy: 'require', keySet: keySetOf(2, {}, {}) }), 409)).toMatch(says);
    await ok(set(known, { policy: 'off' })); // what is there can always be switched off, and a queue without keys be watched
    await ok(set(queue(), { policy: 'warn' }));
  });

  it('a key set may have a thousand keys', async () => {
    const kids = Array.from({ length: 1001 }, (_, n) => ({ kid: `key-${n}` }));
    const taskQueueId = queue();
    expect(await refused(set(taskQueueId, { policy: 'warn', keySet: keySetOf(1, ...kids) }), 400)).toMatch(
      /a list of 1 to 1000 public keys/,
    );
    await ok(set(taskQueueId, { policy: 'warn', keySet: keySetOf(1, ...kids.slice(1)) }));
    expect(Object.keys(policiesOf().of(taskQueueId).keySet!.keys)).toHaveLength(1000);
  });
});

it('who may not see a policy is not told whether there is one', async () => {
  const [known, unknown] = [queue(), queue()];
  await ok(set(known, { policy: 'require', keySet: keySetOf(1, {}) }));
  const stranger = await test.client('queue:get-signature-policy:policies/other', 'queue:set-signature-policy:policies/other');
  const asked = async (taskQueueId: string) => {
    const body = { policy: 'warn', keySet: keySetOf(1, {}) };
    const answers = [await stranger.get(policyPath(taskQueueId)), await stranger.put(policyPath(taskQueueId), body)];
    return answers.map(({ status, body: { code, message } }) => [
      status,
      code,
      message.split('\n\n---\n')[0].replaceAll(taskQueueId, 'it'),
    ]);
  };
  expect(await asked(known)).toEqual(await asked(unknown));
  expect((await asked(known)).map(([status]) => status)).toEqual([403, 403]);
});

describe('counts', () => {
  let counted: Awaited<ReturnType<TestService['replica']>>;
  beforeAll(async () => {
    counted = await test.replica({ metricsPort: 0 });
  });
  afterAll(() => counted.close());

  const count = (seen: SignatureVerdict) => counted.service.app.get(SignatureCounts).count(seen);
  /** By what is behind the braces; labels come in the order of the table in docs/metrics.md. */
  const scraped = async (): Promise<Record<string, number>> => {
    const text = await (await fetch(counted.service.metricsUrl!.replace('localhost', '127.0.0.1'))).text();
    return Object.fromEntries(
      [...text.matchAll(/^leasehold_task_signatures_total\{(.*)\} (\d+)$/gm)].map(([, labels, n]) => [labels, Number(n)]),
    );
  };
  const labels = (task_queue: string, by: string, verdict: string, kid: string) =>
    `task_queue="${task_queue}",by="${by}",verdict="${verdict}",kid="${kid}"`;

  it('(65) tell by task queue and key what require would refuse', async () => {
    const taskQueueId = queue();
    await ok(set(taskQueueId, { policy: 'warn', keySet: keySetOf(1, { kid: 'release' }) }, counted));
    for (let n = 0; n < 3; n++) count({ taskQueueId, by: 'queue', verdict: 'verified', kid: 'release' });
    count({ taskQueueId, by: 'queue', verdict: 'failed', kid: 'release' });
    count({ taskQueueId, by: 'queue', verdict: 'unsigned' });
    count({ taskQueueId, by: 'worker', verdict: 'refused', kid: 'release' });
    const expected = {
      [labels(taskQueueId, 'queue', 'verified', 'release')]: 3,
      [labels(taskQueueId, 'queue', 'failed', 'release')]: 1,
      [labels(taskQueueId, 'queue', 'unsigned', 'none')]: 1,
      [labels(taskQueueId, 'worker', 'refused', 'release')]: 1,
    };
    for (let n = 0; n < 2; n++) expect(await scraped()).toMatchObject(expected); // looking changes nothing
  });

  it('(65) name no key and no task queue that only a stranger has named', async () => {
    const taskQueueId = queue();
    await ok(set(taskQueueId, { policy: 'require', keySet: keySetOf(1, { kid: 'release' }) }, counted));
    for (const kid of ['release-2', '__proto__', 'constructor', 'other']) count({ taskQueueId, by: 'queue', verdict: 'refused', kid });
    for (let n = 0; n < 10; n++) count({ taskQueueId: `made-up/q${n}`, by: 'queue', verdict: 'verified', kid: `k${n}` });
    const all = await scraped();
    expect(all).toMatchObject({
      [labels(taskQueueId, 'queue', 'refused', 'other')]: 4,
      [labels('other', 'queue', 'verified', 'other')]: 10,
    });
    expect(Object.keys(all).join()).not.toMatch(/made-up|release-2|proto|constructor/);
  });

  it('(65) are 5 000 at most, and the rest', async () => {
    await test.database.pool.query(
      `with raised as (update signature_policy_revision set revision = revision + 1 returning revision)
       insert into signature_policy (task_queue_id, policy, revision) select 'flood/q' || nth, 'warn', revision from raised, generate_series(1, 5100) as nth`,
    );
    await policiesOf(counted).refresh();
    for (let n = 1; n <= 5_100; n++) count({ taskQueueId: `flood/q${n}`, by: 'queue', verdict: 'unsigned' });
    const all = await scraped();
    expect(Object.keys(all)).toHaveLength(5_001);
    expect(all[labels('other', 'queue', 'unsigned', 'other')]).toBeGreaterThanOrEqual(100);
    const ofQueues = Object.entries(all).filter(([name]) => name.includes('unsigned')).map(([, number]) => number); // biome-ignore format: as it is read
    expect(ofQueues.reduce((sum, number) => sum + number)).toBe(5_101); // one of the first test
  });
});
