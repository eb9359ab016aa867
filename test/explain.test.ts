import { signBewit } from '../src/credentials/bewit.js';
import { issueTemporaryCredentials } from '../src/credentials/certificate.js';
import { ScopeUses } from '../src/service/auth/explain/scope-uses.js';
import { SweepService } from '../src/service/queue/sweep.service.js';
import { type Answer, type Api, type Credentials, definition, type RequestOptions, slugid } from './support/api.js';
import { exchange, HERE, tokenForUs, tokenOf } from './support/task-tokens.js';
import { ok, refused as refusedWith, Tasks, untilDone, WORKER } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0, anonymousScopes: ['open:*'], issuerUrl: HERE });
  tasks = new Tasks(test.root, test.database);
  await test.role('repo:*', 'secrets:get:<..>', 'assume:team:<..>');
  await test.role('team:*', 'team:<..>/read', 'queue:status:*');
  await test.role('hidden', 'hidden:thing');
});
afterAll(() => test.close());

interface Run {
  taskId: string;
  runId: number;
  api: Api;
}

async function claimed(...scopes: string[]): Promise<Run> {
  const taskId = await tasks.create({ scopes });
  const { credentials } = await ok(tasks.claimTask(taskId));
  return { taskId, runId: 0, api: test.root.as(credentials) };
}

/** A run of a task whose creator then holds only `kept`, and that has reclaimed since. */
async function reduced(scopes: string[], kept: string[], before: (run: Run) => Promise<unknown> = async () => undefined): Promise<Run> {
  const clientId = `creator/${slugid()}`;
  const holds = (now: string[]) => ({
    ...{ scopes: ['queue:create-task:*', 'queue:scheduler-id:*', ...now], description: '' },
    expires: new Date(Date.now() + 86_400_000).toISOString(),
  });
  const path = `/auth/v1/clients/${encodeURIComponent(clientId)}`;
  const { accessToken } = await ok(test.root.put(path, holds(scopes)));
  const taskId = slugid();
  await ok(test.root.as({ clientId, accessToken }).put(`/queue/v1/task/${taskId}`, definition({ taskQueueId: 'explain/reduced', scopes })));
  const { credentials } = await ok(tasks.claimTask(taskId));
  const run = { taskId, runId: 0, api: test.root.as(credentials) };
  await before(run);
  await ok(test.root.post(path, holds(kept)));
  const reclaimed = await ok(run.api.post(`/queue/v1/task/${taskId}/runs/0/reclaim`));
  return { ...run, api: test.root.as(reclaimed.credentials) };
}

const refused = async (answer: Promise<Answer>, status: number) => (await refusedWith(answer, status)).split('\n\n---\n')[0]!;

type About = Partial<Record<'scope' | 'clientId' | 'taskId', string>> & { runId?: number };

const pathOf = (about: About) => {
  const query = Object.entries(about).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `/auth/v1/scopes/explain${query.length > 0 ? `?${query.join('&')}` : ''}`;
};
const explain = (api: Api, about: About, options?: RequestOptions) => ok(api.get(pathOf(about), options));
const aboutRun = ({ taskId, runId }: Run, scope?: string): About => ({ taskId, runId, ...(scope === undefined ? {} : { scope }) });

describe('who may ask about whom', () => {
  const [NOBODY, TASK] = ['test/nobody', slugid()];

  it('about another client: whoever may, by its name; others learn nothing, not even whether it is', async () => {
    const somebody = (await test.client('a')).credentials!.clientId;
    const without = await test.client('auth:explain-client:other', 'auth:explain-run:*', 'auth:get-client:*', 'auth:list-roles');
    const messages = await Promise.all(
      [without, test.root.as()].flatMap((api) =>
        [somebody, NOBODY].map(async (clientId) =>
          (await refused(api.get(pathOf({ clientId, scope: 'a' })), 403)).replaceAll(clientId, '<id>'),
        ),
      ),
    );
    expect(messages[0]).toBe(messages[1]);
    expect(messages[2]).toBe(messages[3]);
    const entitled = await test.client(`auth:explain-client:${somebody}`, `auth:explain-client:${NOBODY}`);
    expect(await explain(entitled, { clientId: somebody, scope: 'a' })).toMatchObject({ clientId: somebody, has: true });
    expect(await refused(entitled.get(pathOf({ clientId: NOBODY, scope: 'a' })), 404)).toContain(NOBODY);
  });

  it('about a run: whoever may, and the run itself; others learn nothing, not even whether it is', async () => {
    const [run, other] = [await claimed('a'), await claimed('a')];
    const without = await test.client(`auth:explain-run:${run.taskId}/1`, `auth:explain-run:${run.taskId}`, 'auth:explain-client:*');
    const messages = await Promise.all(
      [without, test.root.as(), other.api].flatMap((api) =>
        [run.taskId, TASK].flatMap((taskId) =>
          [{ scope: 'a' }, {}].map(async (more) =>
            (await refused(api.get(pathOf({ taskId, runId: 0, ...more })), 403)).replaceAll(taskId, '<id>'),
          ),
        ),
      ),
    );
    for (const some of [messages.slice(0, 4), messages.slice(4, 8), messages.slice(8)]) expect(new Set(some).size).toBe(1);
    await refused(run.api.get(pathOf({ taskId: run.taskId, runId: 1 })), 403); // nor about a run that may come after it
    expect(await explain(run.api, aboutRun(run, 'a'))).toMatchObject({ has: true, run: { taskId: run.taskId, runId: 0 } });
    const entitled = await test.client(`auth:explain-run:${run.taskId}/0`, `auth:explain-run:${TASK}/*`);
    expect(await explain(entitled, aboutRun(run, 'a'))).toMatchObject({ has: true });
    expect(await refused(entitled.get(pathOf({ taskId: TASK, runId: 0 })), 404)).toContain(TASK);
  });

  it('about a run: not a part of what it holds, be it a token, or who restricts itself, or one that may only upload', async () => {
    const run = await claimed('a:*', 'hidden:x');
    const bearer = async (scope: string) => ({ headers: { authorization: `Bearer ${await tokenForUs(run.api, scope)}` } });
    const entitled = `auth:explain-run:${run.taskId}/0`;
    const other = await claimed('a:*', entitled);
    const all = [await bearer('a:*'), await bearer(`a:* queue:reclaim-task:${run.taskId}/0`)];
    for (const options of all) {
      for (const about of [{}, aboutRun(run), aboutRun(run, 'hidden:x')]) {
        expect(await refused(test.root.as().get(pathOf(about), options), 403)).toContain('auth:explain-run:');
      }
      // about itself, as it is: neither what more the run has, nor by what
      const lacking = await ok(test.root.as().get(pathOf({ scope: 'hidden:x' }), options));
      expect(lacking).toMatchObject({ has: false, because: 'Nothing that is held satisfies it' });
      expect(lacking.derivation).toBeUndefined();
      expect(JSON.stringify(lacking)).not.toContain('task.scopes');
      const { derivation } = await ok(test.root.as().get(pathOf({ scope: 'a:1' }), options));
      expect(derivation).toEqual([{ scope: 'a:*', by: 'authorizedScopes' }]);
    }
    for (const authorizedScopes of [[], ['a:*'], [`queue:resolve-task:${run.taskId}/0`]]) {
      for (const about of [{}, aboutRun(run), aboutRun(run, 'a:1')]) await refused(run.api.get(pathOf(about), { authorizedScopes }), 403);
      expect(await explain(run.api, { scope: 'hidden:x' }, { authorizedScopes })).not.toHaveProperty('derivation');
    }
    const authorizedScopes = [`assume:task-run:${run.taskId}/0`];
    expect(await explain(run.api, {}, { authorizedScopes })).toMatchObject({ unused: ['hidden:x'] });
    expect(await explain(other.api, aboutRun(run), { authorizedScopes: [entitled] })).toMatchObject({ unused: ['hidden:x'] });
    expect(await explain(run.api, { scope: 'hidden:x' }, { authorizedScopes })).toMatchObject({
      ...{ has: false, derivation: [{ scope: 'hidden:x', by: 'task.scopes' }], because: expect.stringContaining('authorizedScopes') },
    });
    await ok(tasks.report('malformed-payload', run.taskId));
    for (const about of [{}, aboutRun(run), aboutRun(run, 'a:1')]) await refused(run.api.get(pathOf(about)), 403);
  });

  it('about a run by a URL that it signed: as with all that is read, until its certificate ends', async () => {
    const run = await claimed('a:b');
    const { hostname, port } = new URL(test.root.url);
    const signed = (about: About, authorizedScopes?: string[]) => {
      const resource = `/api${pathOf(about)}`;
      const signing = { exp: Math.floor(Date.now() / 1000) + 600, ...(authorizedScopes ? { authorizedScopes } : {}) };
      const bewit = signBewit(run.api.credentials as Required<Credentials>, { resource, host: hostname, port: Number(port) }, signing);
      return `${resource.slice('/api'.length)}&bewit=${bewit}`;
    };
    const [whole, part] = [signed(aboutRun(run)), signed(aboutRun(run), ['a:b'])];
    const look = async () => {
      expect(await ok(test.root.as().get(whole))).toMatchObject({ unused: ['a:b'] });
      await refused(test.root.as().get(part), 403);
    };
    await look();
    await ok(tasks.report('completed', run.taskId));
    await look();
    await refused(run.api.get(pathOf(aboutRun(run))), 401);
  });

  it('tells of roles that would grant a scope only to who may read them', async () => {
    const grantedBy = async (...scopes: string[]) =>
      (await explain(await test.client(...scopes), { scope: 'hidden:thing' })).grantedBy.map((way: { steps: object[] }) => way.steps);
    expect(await grantedBy('a')).toEqual([]);
    expect(await grantedBy('auth:get-role:repo:*')).toEqual([]);
    const steps = [
      { scope: 'assume:hidden', by: 'missing' },
      { scope: 'hidden:thing', by: 'role', roleId: 'hidden', template: 'hidden:thing', parameter: '' },
    ];
    expect(await grantedBy('auth:get-role:hidden')).toEqual([steps]);
    expect(await grantedBy('auth:list-roles')).toEqual([steps]);
  });
});

describe('about the caller', () => {
  it('follows its roles, with what stands for <..>', async () => {
    const api = await test.client('assume:repo:x');
    expect((await explain(api, { scope: 'team:x/read' })).derivation).toEqual([
      { scope: 'assume:repo:x', by: 'client' },
      { scope: 'assume:team:x', by: 'role', roleId: 'repo:*', template: 'assume:team:<..>', parameter: 'x' },
      { scope: 'team:x/read', by: 'role', roleId: 'team:*', template: 'team:<..>/read', parameter: 'x' },
    ]);
    const lacking = await explain(api, { scope: 'secrets:get:y' });
    expect(lacking).toMatchObject({ has: false, because: 'Nothing that is held satisfies it' });
    expect(lacking.nearest[0].steps.at(-1)).toMatchObject({ scope: 'secrets:get:x', roleId: 'repo:*' });
  });

  it('tells nobody in particular what everybody has', async () => {
    const anonymous = await explain(test.root.as(), { scope: 'open:door' });
    expect(anonymous).toEqual({
      ...{ scope: 'open:door', has: true, because: "open:* satisfies it, which is held by way of the role 'anonymous'" },
      derivation: [
        { scope: 'assume:anonymous', by: 'anonymous' },
        { scope: 'open:*', by: 'role', roleId: 'anonymous', template: 'open:*', parameter: '' },
      ],
    });
    expect(await explain(test.root.as(), { scope: 'hidden:thing' })).toMatchObject({ has: false, nearest: [], grantedBy: [] });
  });

  it('names the certificate and the authorizedScopes that narrow it', async () => {
    const issuer = (await test.client('assume:repo:*', 'other:thing')).credentials!;
    const [start, expiry] = [Date.now() - 1000, Date.now() + 60_000];
    const temporary = test.root.as(issueTemporaryCredentials({ issuer, scopes: ['assume:repo:x', 'b:*'], start, expiry } as never));
    await refused(temporary.get(pathOf({ scope: 'b:1' })), 401); // the certificate holds more than its issuer
    const narrowed = test.root.as(issueTemporaryCredentials({ issuer, scopes: ['assume:repo:*'], start, expiry }));
    expect(await explain(narrowed, { scope: 'other:thing' })).toMatchObject({ has: false, nearest: [] });
    const authorizedScopes = ['assume:team:x'];
    const { derivation } = await explain(narrowed, { scope: 'team:x/read' }, { authorizedScopes });
    expect(derivation.map(({ scope, by }: { scope: string; by: string }) => [scope, by])).toEqual([
      ['assume:repo:*', 'certificate'],
      ['assume:team:*', 'role'],
      ['assume:team:x', 'authorizedScopes'],
      ['team:x/read', 'role'],
    ]);
    const left = await explain(narrowed, { scope: 'secrets:get:a' }, { authorizedScopes });
    expect(left).toMatchObject({ has: false, because: expect.stringContaining('authorizedScopes') });
    expect(left.derivation.at(-1)).toMatchObject({ scope: 'secrets:get:*', roleId: 'repo:*' });
    expect(await explain(narrowed, { scope: 'open:x' }, { authorizedScopes: [] })).toMatchObject({ has: true });
  });

  it('a client that is disabled holds nothing', async () => {
    const { clientId } = (await test.client('a:b')).credentials!;
    await ok(test.root.post(`/auth/v1/clients/${encodeURIComponent(clientId)}/disable`));
    expect(await explain(test.root, { clientId, scope: 'a:b' })).toMatchObject({
      ...{ has: false, because: 'The client is disabled, so it holds nothing' },
      derivation: [{ scope: 'a:b', by: 'client' }],
    });
  });

  it('a client that has expired holds nothing, nor does the service itself, as which nobody can log in', async () => {
    const { clientId } = (await test.client('a:b')).credentials!;
    const now = Date.now;
    try {
      Date.now = () => now() + 2 * 86_400_000; // a client expires by the clock of the process
      expect(await explain(test.root, { clientId, scope: 'a:b' })).toMatchObject({
        ...{ has: false, because: 'The client has expired, so it holds nothing', derivation: [{ scope: 'a:b', by: 'client' }] },
      });
    } finally {
      Date.now = now;
    }
    const queue = await explain(test.root, { clientId: 'static/leasehold/queue', scope: 'a:b' });
    expect(queue).toMatchObject({ has: false, because: expect.stringContaining('nobody can log in as it') });
  });

  it('agrees with what is allowed', async () => {
    const run = await claimed('assume:repo:x', 'queue:get-task:*');
    const [taskId, other] = [await tasks.create(), await claimed()];
    const callers: [Api, RequestOptions][] = [
      [run.api, {}],
      [run.api, { authorizedScopes: ['assume:repo:x'] }],
      [other.api, {}],
      [await test.client('assume:team:y'), {}],
      [await test.client('queue:get-task:x'), {}],
    ];
    const outcomes = await Promise.all(
      callers.flatMap(([api, options]) =>
        [`queue:get-task:${taskId}`, `queue:status:${taskId}`].map(async (scope, at) => {
          const { status } = await api.get(`/queue/v1/task/${taskId}${at ? '/status' : ''}`, options);
          const { has } = await explain(api, { scope }, options);
          expect([scope, has]).toEqual([scope, status === 200]);
          return has;
        }),
      ),
    );
    expect(outcomes).toEqual([true, true, false, true, false, false, false, true, false, false]);
  });
});

describe('about a run', () => {
  const steps = ({ derivation }: { derivation: { scope: string; by: string; from?: string }[] }) =>
    derivation.map(({ scope, by, from }) => (from ? [scope, by, from] : [scope, by]));

  it('tells what its task gave, what every run has, what everybody has, and what a role made of it', async () => {
    const run = await claimed('assume:repo:x');
    const way = async (scope: string) => steps(await explain(run.api, aboutRun(run, scope)));
    expect(await way('secrets:get:x')).toEqual([
      ['assume:repo:x', 'task.scopes'],
      ['secrets:get:x', 'role'],
    ]);
    expect(await way(`queue:reclaim-task:${run.taskId}/0`)).toEqual([[`queue:reclaim-task:${run.taskId}/0`, 'run']]);
    expect(await way('open:x')).toEqual([
      ['assume:anonymous', 'anonymous'],
      ['open:*', 'role'],
    ]);
  });

  it('tells what was rewritten, and what a role grants and is not followed', async () => {
    const identity = `assume:worker-id:${WORKER.workerGroup}/${WORKER.workerId}`;
    await test.role('disguise', identity, 'y');
    const run = await claimed(identity, 'assume:disguise');
    expect(await explain(run.api, aboutRun(run, identity))).toMatchObject({
      ...{ has: false, because: expect.stringContaining('identity of the worker') },
      derivation: [
        { scope: 'assume:disguise', by: 'task.scopes' },
        { scope: identity, by: 'role' },
      ],
    });
    const { given, unused } = await explain(run.api, aboutRun(run));
    expect(given).toContainEqual({ scope: `assume:task-run:${run.taskId}/0`, by: 'rewrite', from: identity, used: false });
    expect(unused).toEqual([identity, 'assume:disguise', 'y']);
  });

  it('tells that it is over, and why; before it began, that nobody was lent anything', async () => {
    const taskId = await tasks.create({ scopes: ['a:b'] });
    const before = await explain(test.root, { taskId, runId: 0, scope: 'a:b' });
    expect(before).toMatchObject({
      has: false,
      because: expect.stringMatching(/is pending, and was not claimed/),
      run: { standing: 'nothing' },
    });
    expect(await explain(test.root, { taskId, runId: 0 })).toMatchObject({ given: [], unused: [] });
    await tasks.run('completed', taskId);
    const after = await explain(test.root, { taskId, runId: 0, scope: 'a:b' });
    expect(after).toMatchObject({
      ...{
        has: false,
        because: expect.stringMatching(/is completed; they ended with it/),
        derivation: [{ scope: 'a:b', by: 'task.scopes' }],
      },
      run: { state: 'completed', standing: 'nothing', because: expect.stringMatching(/is completed/) },
    });
    const lapsed = await claimed('a:b');
    await tasks.lapse(lapsed.taskId);
    expect(await explain(test.root, aboutRun(lapsed, 'a:b'))).toMatchObject({
      has: false,
      because: expect.stringMatching(/lease has lapsed/),
    });
    await refused(lapsed.api.get(pathOf(aboutRun(lapsed, 'a:b'))), 401);
  });

  it('tells what is left for 25 minutes after an exception', async () => {
    const run = await claimed('a:b');
    await ok(tasks.report('malformed-payload', run.taskId));
    const upload = `queue:create-artifact:${run.taskId}/0`;
    for (const [api, about] of [[test.root, aboutRun(run, upload)] as const, [run.api, { scope: upload }] as const]) {
      expect(steps(await explain(api, about))).toEqual([
        [upload, 'run'],
        [upload, 'exception'],
      ]);
    }
    const lost = await explain(run.api, { scope: 'a:b' });
    expect(lost).toMatchObject({ has: false, because: expect.stringContaining('exception'), run: { standing: 'artifacts' } });
    const options = { authorizedScopes: ['a:b'] };
    expect(await explain(run.api, { scope: upload }, options)).toMatchObject({ has: false });
  });

  it('names nobody who is the worker as whom to be', async () => {
    await test.role(`worker-id:${WORKER.workerGroup}/${WORKER.workerId}`, 'of:worker');
    const run = await claimed('a:b');
    expect(await explain(test.root, aboutRun(run, 'of:worker'))).toMatchObject({ has: false, grantedBy: [] });
    const other = await explain(test.root, { clientId: (await test.client('a:b')).credentials!.clientId, scope: 'of:worker' });
    expect(other.grantedBy[0].steps[0]).toMatchObject({ scope: `assume:worker-id:${WORKER.workerGroup}/${WORKER.workerId}` });
  });
});

describe('about a run whose creator has lost scopes', () => {
  const [OWN, LOST] = ['task.scopes', expect.stringContaining('task-scopes-reduced')];
  const stepsOf = ({ derivation }: { derivation: { scope: string; by: string }[] }) => derivation.map(({ scope, by }) => [scope, by]);

  it('tells what was lost, with the way by which it was held, and what is left of what', async () => {
    const run = await reduced(['a:*', 'b', 'assume:repo:x'], ['a:1', 'assume:repo:x']);
    const about = async (scope: string, api = run.api) => explain(api, aboutRun(run, scope));
    for (const api of [run.api, test.root]) {
      expect(await about('b', api)).toMatchObject({ has: false, because: LOST, derivation: [{ scope: 'b', by: OWN }] });
      expect(await about('a:2', api)).toMatchObject({ has: false, because: LOST, derivation: [{ scope: 'a:*', by: OWN }] });
      expect(stepsOf(await about('a:1', api))).toEqual([
        ['a:*', OWN],
        ['a:1', 'creator'],
      ]);
      expect(stepsOf(await about('secrets:get:x', api))).toEqual([
        ['assume:repo:x', OWN],
        ['assume:repo:x', 'creator'],
        ['secrets:get:x', 'role'],
      ]);
      expect(stepsOf(await about(`queue:resolve-task:${run.taskId}/0`, api))).toEqual([[`queue:resolve-task:${run.taskId}/0`, 'run']]);
    }
    expect((await about('never:held')).because).toBe('Nothing that is held satisfies it');
  });

  it('tells what it was given, marks what was lost of it, and what of it was used', async () => {
    const run = await reduced(['b', 'queue:status:*', 'assume:repo:x'], ['b'], async ({ api, taskId }) => {
      await ok(api.get(`/queue/v1/task/${taskId}/status`));
    });
    const { given, unused } = await explain(test.root, aboutRun(run));
    const marks = Object.fromEntries(
      given.map(({ scope, lost, used }: { scope: string; lost?: true; used?: boolean }) => [scope, [lost, used]]),
    );
    expect(marks).toMatchObject({
      ...{ b: [undefined, false], 'queue:status:*': [true, true], 'assume:repo:x': [true, false], 'secrets:get:x': [true, false] },
      ...{ 'assume:anonymous': [undefined, false], [`assume:task-run:${run.taskId}/0`]: [undefined, undefined] },
    });
    expect([...unused].sort()).toEqual(['assume:repo:x', 'assume:team:x', 'b', 'secrets:get:x', 'team:x/read']);
  });

  it('means what is left by the authorizedScopes that a proxy repeats, as who authenticates it', async () => {
    const run = await reduced(['queue:*', `assume:repo:x`], ['queue:status:*']);
    const authorizedScopes = ['queue:*', 'assume:repo:x', `assume:task-run:${run.taskId}/0`];
    const scopes = [`queue:status:${run.taskId}`, `queue:get-task:${run.taskId}`];
    const allowed = [await run.api.get(`/queue/v1/task/${run.taskId}/status`, { authorizedScopes })];
    allowed.push(await run.api.get(`/queue/v1/task/${run.taskId}`, { authorizedScopes }));
    const told = await Promise.all(scopes.map((scope) => explain(run.api, { scope }, { authorizedScopes })));
    expect(told.map(({ has }) => has)).toEqual(allowed.map(({ status }) => status === 200));
    expect(told.map(({ has }) => has)).toEqual([true, false]);
    expect(stepsOf(told[0])).toEqual([
      ['queue:*', OWN],
      ['queue:status:*', 'creator'],
      ['queue:status:*', 'authorizedScopes'],
    ]);
    expect(told[1].because).toEqual(LOST);
    expect(await explain(run.api, { scope: scopes[0]! }, { authorizedScopes: ['queue:*'] })).toMatchObject({
      ...{ has: true, derivation: [{ scope: 'queue:status:*', by: 'authorizedScopes' }] },
    });
  });
});

describe('what a run used', () => {
  const used = (body: { given: { scope: string; used?: boolean }[] }) => Object.fromEntries(body.given.map((one) => [one.scope, one.used]));
  const status = (run: Run, options?: RequestOptions) => ok(run.api.get(`/queue/v1/task/${run.taskId}/status`, options));

  it('is noted where it decided, with the roles that led to it, and the rest is unused', async () => {
    const run = await claimed('assume:repo:x', 'a:b', 'queue:get-task:*');
    const about = (api = test.root) => explain(api, aboutRun(run));
    expect([...(await about()).unused].sort()).toEqual([
      'a:b',
      'assume:repo:x',
      'assume:team:x',
      'queue:get-task:*',
      'queue:status:*',
      'secrets:get:x',
      'team:x/read',
    ]);
    const before = Date.now();
    await status(run);
    await refused(run.api.get('/queue/v1/task-queues'), 403); // what was refused used nothing
    const after = await about();
    expect(used(after)).toEqual({
      ...{ 'a:b': false, 'queue:get-task:*': false, 'assume:repo:x': true, 'assume:team:x': true, 'queue:status:*': true },
      ...{ 'secrets:get:x': false, 'team:x/read': false, 'open:*': false, 'assume:anonymous': false },
      ...Object.fromEntries(
        ['assume:task-run', 'queue:reclaim-task', 'queue:resolve-task', 'queue:create-artifact'].map((name) => [
          `${name}:${run.taskId}/0`,
          undefined,
        ]),
      ),
    });
    expect([...after.unused].sort()).toEqual(['a:b', 'queue:get-task:*', 'secrets:get:x', 'team:x/read']);
    const { firstUsed } = after.given.find(({ scope }: { scope: string }) => scope === 'queue:status:*');
    expect(Math.abs(Date.parse(firstUsed) - before)).toBeLessThan(5_000);
    await status(run);
    expect(await about(run.api)).toEqual(after);
    expect(await explain(run.api, {})).toEqual(after);
  });

  it('counts for what was given, also where the run restricts itself to a part of it', async () => {
    const run = await claimed('queue:status:*', 'a:b');
    await status(run, { authorizedScopes: [`queue:status:${run.taskId}`] });
    expect((await explain(test.root, aboutRun(run))).unused).toEqual(['a:b']);
  });

  it('is one row for each scope that was given, whatever texts a caller restricts itself to', async () => {
    const run = await claimed('queue:status:*', 'a:b');
    const rows = async () => {
      await test.service.app.get(ScopeUses).flush();
      const { rows } = await test.database.pool.query('select scope from scope_use where task_id = $1 order by scope', [run.taskId]);
      return rows.map(({ scope }) => scope);
    };
    for (let n = 0; n < 10; n++) {
      const other = slugid();
      await refused(run.api.get(`/queue/v1/task/${other}/status`, { authorizedScopes: [`queue:status:${other}`] }), 404);
      const authorization = `Bearer ${await tokenForUs(run.api, `queue:status:${other}`)}`;
      await refused(test.root.as().get(`/queue/v1/task/${other}/status`, { headers: { authorization } }), 404);
    }
    expect(await rows()).toEqual(['queue:status:*']);
  });

  it('is to have it signed into a token, too; asking in vain is not', async () => {
    const run = await claimed('packages:*', 'a:b', 'c:d');
    expect((await exchange(run.api, { scope: 'a:b not:held' })).status).toBe(400);
    expect((await explain(test.root, aboutRun(run))).unused).toEqual(['packages:*', 'a:b', 'c:d']);
    await tokenOf(run.api, { scope: 'packages:read a:b' });
    expect((await explain(test.root, aboutRun(run))).unused).toEqual(['c:d']);
  });

  it('is to hand scopes on, too; to decide about itself is not noted, nor what others do', async () => {
    const run = await claimed('queue:*', 'a:*', 'b:c');
    await ok(run.api.post(`/queue/v1/task/${run.taskId}/runs/0/reclaim`));
    await ok(test.root.get(`/queue/v1/task/${run.taskId}/status`));
    expect((await explain(test.root, aboutRun(run))).unused).toEqual(['queue:*', 'a:*', 'b:c']);
    await ok(run.api.put(`/queue/v1/task/${slugid()}`, await definitionOf(run, ['a:b'])));
    expect((await explain(test.root, aboutRun(run))).unused).toEqual(['b:c']);
    await ok(run.api.post(`/queue/v1/task/${run.taskId}/runs/0/completed`));
    expect((await explain(test.root, aboutRun(run))).unused).toEqual(['b:c']); // and is still known when it is over
  });

  async function definitionOf({ taskId }: Run, scopes: string[]) {
    const task = await ok(test.root.get(`/queue/v1/task/${taskId}`));
    return { ...task, taskGroupId: slugid(), scopes, created: new Date().toISOString() };
  }

  it('is seen by every replica, once, whoever noted it', async () => {
    const run = await claimed('queue:status:*');
    const replica = await test.replica();
    try {
      await status({ ...run, api: replica.root.as(run.api.credentials as Credentials) });
      await status(run);
      await replica.service.app.get(ScopeUses).flush();
      expect((await explain(test.root, aboutRun(run))).unused).toEqual([]);
      const { rows } = await test.database.pool.query('select scope from scope_use where task_id = $1', [run.taskId]);
      expect(rows).toEqual([{ scope: 'queue:status:*' }]);
    } finally {
      await replica.close();
    }
  });

  it('waits for no database: what was noted while it could not be written is noted again', async () => {
    const run = await claimed('queue:status:*');
    const uses = test.service.app.get(ScopeUses);
    await uses.flush();
    await test.database.pool.query('alter table scope_use rename to scope_use_away');
    try {
      await status(run);
      await uses.flush();
    } finally {
      await test.database.pool.query('alter table scope_use_away rename to scope_use');
    }
    expect((await explain(test.root, aboutRun(run))).unused).toEqual(['queue:status:*']);
    await status(run);
    expect((await explain(test.root, aboutRun(run))).unused).toEqual([]);
  });

  it('notes no more than there is room for, and no scope that no index holds', async () => {
    const run = await claimed('a:b');
    const uses = test.service.app.get(ScopeUses);
    const note = (runId: number, scope: string) => uses.used({ taskId: run.taskId, runId }, scope);
    for (let n = 0; n < 6_000; n++) note(1, `x:${n}`); // one run leaves room for others
    for (let n = 0; n < 6_000; n++) note(2 + (n % 4), `x:${n}`);
    await uses.flush();
    note(0, `y:${'y'.repeat(3_000)}`);
    await uses.flush();
    const { rows } = await test.database.pool.query(
      'select run_id > 1 as others, count(*)::integer from scope_use where task_id = $1 group by 1 order by 1',
      [run.taskId],
    );
    expect(rows).toEqual([
      { others: false, count: 5_000 },
      { others: true, count: 5_000 },
    ]);
    // what a process has forgotten meanwhile makes no room, and what was not noted for it is not called unused
    for (let round = 0; round < 12; round++) {
      for (let n = 0; n < 5_000; n++) note(10 + round, `x:${n}`);
      await uses.flush();
    }
    for (let n = 4_000; n < 7_000; n++) note(1, `x:${n}`);
    await uses.flush();
    const again = await test.database.pool.query('select from scope_use where task_id = $1 and run_id = 1', [run.taskId]);
    expect(again.rowCount).toBe(5_000);
  });

  it('is forgotten with the task, and not noted any more then', async () => {
    const run = await claimed('queue:status:*');
    await status(run);
    const uses = test.service.app.get(ScopeUses);
    await uses.flush();
    const count = async () => (await test.database.pool.query('select from scope_use where task_id = $1', [run.taskId])).rowCount;
    expect(await count()).toBe(1);
    await tasks.alter(run.taskId, `taken_until = now() - interval '1 day', due = now() - interval '1 day'`);
    await untilDone(() => test.service.app.get(SweepService).sweep());
    await ok(tasks.steer('cancel', run.taskId));
    await test.database.pool.query(`update past_run set taken_until = now() - interval '1 day' where task_id = $1`, [run.taskId]);
    await test.database.pool.query(`update task_definition set expires = now() - interval '1 hour' where task_id = $1`, [run.taskId]);
    uses.used({ taskId: run.taskId, runId: 0 }, 'of:what/expired'); // its deletion may be under way
    await uses.flush();
    expect(await count()).toBe(1);
    await untilDone(() => test.service.app.get(SweepService).expire());
    await refused(test.root.get(pathOf(aboutRun(run))), 404);
    expect(await count()).toBe(0);
    uses.used({ taskId: run.taskId, runId: 0 }, 'something:else');
    await uses.flush();
    expect(await count()).toBe(0);
  });
});
