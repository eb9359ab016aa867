import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { Creator, keySetJson } from './support/creator.js';
import { DockerRegistry } from './support/docker-registry.js';
import { Gateway } from './support/gateways/gateway.js';
import { awaits, REGISTRY, RegistryChain, type Working } from './support/registry-chain.js';
import { accessIn, claimsIn, needOf, RegistryWire, type Sent } from './support/registry-wire.js';
import { eventually } from './support/service-process.js';
import { Skopeo } from './support/skopeo.js';
import { processesWith } from './support/supervised.js';
import { Tap } from './support/tap.js';
import { HERE } from './support/task-tokens.js';
import { ok } from './support/tasks.js';
import { mayOn } from './support/token-access.js';
import { TokenServer } from './support/token-server.js';
import { hasSandboxes } from './support/unprivileged.js';

/*
 * The whole chain, with nothing imitated: skopeo without credentials in a sandboxed step of a claimed run, its worker as a process, the service,
 * and a docker-registry that believes it. What is on the wire between them is seen, and is what counts.
 */

const isInstalled = hasSandboxes && DockerRegistry.isInstalled && Skopeo.isInstalled;
if (!isInstalled) console.warn('SKIPPED: registries from steps; apt-get install bubblewrap busybox-static docker-registry skopeo');

/** Workers are started, sandboxes are made and leases pass: seconds each, on a machine that has nothing else to do. */
const WITHIN_MS = 90_000;

const at = (repository: string, registry = REGISTRY) => `docker://${registry}/${repository}`;
const push = (layout: string, to: string) => `skopeo copy -q --preserve-digests oci:${layout}:latest ${at(to)}`;
const pull = (from: string, name: string) => `skopeo copy -q --preserve-digests ${at(from)} oci:"$TASK_WORKSPACE/${name}":latest`;
const status = (url: string, words = '') => `curl -sS -o /dev/null -w '%{http_code}\\n' ${words} ${url}`;
const script = (...lines: string[]) => ['set -e', ...lines].join('\n');
/** What a step printed, without what its worker says around it. */
const printed = (log: string) => log.split('\n').filter((line) => !line.startsWith('[leasehold]'));

(isInstalled ? describe : describe.skip)('skopeo without credentials in a step', () => {
  let chain: RegistryChain;
  beforeAll(async () => {
    chain = await RegistryChain.start();
  });
  afterEach(() => chain.tidy());
  afterAll(() => chain[Symbol.asyncDispose]());

  /** Each request bears a token of this run for just what it needs; one was refused where the run may not do that. */
  function assertOwn(requests: Sent[], taskId: string, runId = 0): void {
    expect(requests.length).toBeGreaterThan(0);
    for (const one of requests) {
      expect(one.cookie).toBeUndefined();
      expect([one.token && claimsIn(one.token).sub, one.token && accessIn(one.token)]).toEqual([
        `task-run:${taskId}/${runId}`,
        needOf(one),
      ]);
    }
  }

  /** None of what was on the wires is in anything that somebody may read. */
  async function assertSecret(taskIds: string[], ...workers: Working[]): Promise<void> {
    const { canaries } = chain;
    expect(canaries.length).toBeGreaterThan(2);
    const said = workers.map(({ process }) => JSON.stringify(process.entries) + process.stderr);
    const all = [...said, ...(await Promise.all(taskIds.map((taskId) => chain.left(taskId))))].join('\n');
    expect(canaries.filter((canary) => all.includes(canary))).toEqual([]);
  }

  it(
    '10, 13, 74, 75: pushes, pulls, mounts and deletes what its run may, by tokens that only the wire sees, and nothing else',
    async () => {
      const worker = await chain.startWorker('one');
      const [app, base] = [chain.image('app'), chain.image('base', 3)];
      const ask = (repository: string, words = '') => `curl -sSi ${words} http://${REGISTRY}/v2/${repository}`;
      const other = await chain.create(worker.taskQueueId, ['registry:push:team-b/*'], script(push(base.layout, 'team-b/base:1')));
      expect([await chain.resolved(other), await chain.log(other)]).toEqual(['completed', expect.any(String)]);
      chain.wire.sent.length = 0;
      const taskId = await chain.create(
        worker.taskQueueId,
        ['registry:push:team-a/*', 'registry:pull:team-b/base', 'registry:delete:team-a/app'],
        script(
          push(app.layout, 'team-a/app:1'),
          pull('team-a/app:1', 'back'),
          `diff -r ${app.layout}/blobs "$TASK_WORKSPACE/back/blobs" && echo "the same came back"`,
          `skopeo copy -q ${at('team-b/base:1')} ${at('team-a/copied:1')}`,
          `curl -sS -o /dev/null -w 'mounted %{http_code}\\n' -X POST "http://${REGISTRY}/v2/team-a/mounted/blobs/uploads/?mount=${base.digests[2]}&from=team-b/base"`,
          `skopeo delete ${at('team-a/app:1')}`,
          `${pull('team-a/app:1', 'gone')} 2>/dev/null || echo "it is deleted"`,
          `${push(app.layout, 'team-b/base:2')} 2>&1 || echo "no push to team-b"`,
          `${pull('team-c/none:1', 'none')} 2>&1 || echo "nothing of team-c"`,
          `skopeo delete ${at('team-a/copied:1')} 2>&1 || echo "nothing else deleted"`,
          ask('team-b/other/manifests/1', '-H "Authorization: Bearer of-the-step" -H "Cookie: of=the-step"'),
          ask(''),
          'env; cat /proc/self/environ | tr "\\0" "\\n"; find "$HOME" -type f -exec cat {} +',
        ),
      );
      const state = await chain.resolved(taskId);
      const log = await chain.log(taskId);
      expect([state, log]).toEqual(['completed', expect.stringContaining('the same came back')]);
      for (const line of ['mounted 201', 'it is deleted', 'no push to team-b', 'nothing of team-c', 'nothing else deleted'])
        expect(printed(log)).toContain(line);
      expect(log).toMatch(
        /registry registry\.test: \w+ \/v2\/team-b\/base\/blobs\/uploads\/ was answered 40[13]: .*registry:push:team-b\/base/,
      );
      expect(log).toMatch(
        /registry registry\.test: GET \/v2\/team-c\/none\/manifests\/1 was answered 40[13]: .*registry:pull:team-c\/none/,
      );
      expect(log).toMatch(
        /registry registry\.test: DELETE \/v2\/team-a\/copied\/\S+ was answered 40[13]: .*registry:delete:team-a\/copied/,
      );
      expect(log).not.toMatch(/www-authenticate|set-cookie|Bearer|_state/i);

      const done = chain.wire.sent.filter((one) => one.status < 400 || one.status === 404);
      assertOwn(done, taskId);
      expect(done.map(({ method }) => method)).toEqual(expect.arrayContaining(['HEAD', 'GET', 'POST', 'PATCH', 'PUT', 'DELETE']));
      const mounts = done.filter(({ target, status }) => target.includes('mount=') && status === 201);
      expect(mounts.map(({ token }) => accessIn(token!))).toContainEqual(['team-a/mounted:pull,push', 'team-b/base:pull']);
      const refused = chain.wire.sent.filter((one) => !done.includes(one));
      for (const { token } of refused) {
        const access = token === undefined ? [] : accessIn(token);
        expect(access.filter((one) => /team-b\/(?!base:pull$)|team-c|team-a\/copied:.*delete/.test(one))).toEqual([]);
      }
      expect([chain.wire.states.length > 0, chain.wire.tokens.length > 0]).toEqual([true, true]);
      await assertSecret([taskId, other], worker);
    },
    WITHIN_MS,
  );

  it(
    '1, 2, 5, 10: runs side by side share no token, be they of one worker or of two: not for the same repository and the same actions',
    async () => {
      const [one, two] = [await chain.startWorker('one', { capacity: 2 }), await chain.startWorker('two')];
      chain.wire.sent.length = 0;
      const before = chain.asked().length;
      const marks: Record<string, string[]> = {};
      const images = ['a', 'b', 'c'].map((name) => ({ name, ...chain.image(`side-${name}`, 4) }));
      const create = async ({ taskQueueId }: Working, { name, layout, digests }: (typeof images)[number]) => {
        const repositories = ['team-a/shared', 'team-a/second'].flatMap((repository) => [
          push(layout, `${repository}:of-${name}`),
          pull(`${repository}:of-${name}`, `back-${path.basename(repository)}`),
        ]);
        const taskId = await chain.create(taskQueueId, ['registry:push:team-a/*'], script(awaits(), ...repositories));
        marks[taskId] = [`of-${name}`, ...digests.map((digest) => digest.slice('sha256:'.length))];
        return taskId;
      };
      const taskIds = await Promise.all(images.map((image, index) => create(index < 2 ? one : two, image)));
      for (const [index, taskId] of taskIds.entries()) await (index < 2 ? one : two).process.says('A step has started', { taskId });
      for (const worker of [one, two]) chain.go(worker);
      for (const taskId of taskIds)
        expect([await chain.resolved(taskId), await chain.log(taskId)]).toEqual(['completed', expect.any(String)]);

      const byOwner = chain.wire.byOwner(marks);
      expect([...byOwner.keys()].sort()).toEqual([...taskIds].sort());
      for (const taskId of taskIds) assertOwn(byOwner.get(taskId)!, taskId);
      const runsOf = new Map<string, Set<string>>();
      for (const [taskId, requests] of byOwner)
        for (const { token } of requests) runsOf.set(claimsIn(token!).jti, (runsOf.get(claimsIn(token!).jti) ?? new Set()).add(taskId));
      expect([...runsOf.values()].every(({ size }) => size === 1)).toBe(true);
      const asked = chain.asked().slice(before);
      // skopeo mounts what it has in the one repository into the other
      const [pulled, mounted, pushed] = ['second:pull', 'shared:pull', 'second:pull,push'].map((key) => `repository:team-a/${key}`);
      const keys = [pulled, pushed, `${pushed} ${mounted}`, mounted, `${mounted},push`];
      for (const taskId of taskIds) {
        const own = asked.filter(({ by }) => by.includes(taskId));
        expect(own.map(({ scopes }) => [...scopes].sort().join(' ')).sort()).toEqual(keys); // one request for each, by each run
      }
      expect(asked).toHaveLength(taskIds.length * keys.length);
      await assertSecret(taskIds, one, two);
    },
    WITHIN_MS,
  );

  it(
    '11, 76: the proxy is its run’s alone, and ends with it, and so does the right to tokens; one that comes too late is not used',
    async () => {
      const worker = await chain.startWorker('one', { capacity: 2 });
      const late = status(`http://${REGISTRY}/v2/team-a/late/tags/list`);
      const taskId = await chain.create(worker.taskQueueId, ['registry:push:team-a/*'], script(awaits(), late));
      await worker.process.says('A step has started', { taskId });
      const forwarders = () => processesWith(worker.home.at('state')).filter((pid) => pid !== worker.process.pid);
      const socket = socketIn(worker.home.at('state', 'tasks', worker.home.tasks[0]!));
      await eventually('its port is open', () => forwarders().length > 0);
      const calls = [`curl -sS --unix-socket ${socket} http://x/v2/`, 'env | grep -i proxy', `ls ${worker.home.directory}`];
      const other = await chain.create(worker.taskQueueId, [], calls.map((call) => `${call} && echo REACHED`).join('\n'), {
        network: 'none',
      });
      expect([await chain.resolved(other), await chain.log(other)]).toEqual(['failed', expect.not.stringContaining('REACHED')]);

      const [lent] = chain.lentTo(taskId);
      const ask = () => chain.test.root.as(lent).get(`/registry/token?service=${REGISTRY}&scope=repository%3Ateam-a%2Flate%3Apull`);
      expect(await ask()).toMatchObject({ status: 200, body: { scope: 'repository:team-a/late:pull' } });
      const release = chain.service.holdBack(/\/registry\/token\S*late/);
      chain.go(worker);
      const asking = () => chain.service.asking(/\/registry\/token\S*late/);
      await eventually('the proxy asks for a token', () => asking().length > 0);
      expect(asking()).toEqual([true]);
      await ok(chain.tasks.steer('cancel', taskId));
      await worker.process.says('A run has ended', { taskId });
      await eventually('nobody waits for the token', () => !asking()[0]);
      release();
      await eventually('nothing of it is left', () => worker.home.tasks.length === 0 && forwarders().length === 0);
      expect([existsSync(socket), chain.wire.of('team-a/late')]).toEqual([false, []]);
      expect(await ask()).toMatchObject({ status: 401 });
      await assertSecret([taskId, other], worker);
    },
    WITHIN_MS,
  );

  it(
    '12: a token of a run that has ended is not passed on by the proxy of the next',
    async () => {
      const worker = await chain.startWorker('one');
      const scopes = ['registry:push:team-a/*'];
      const first = await chain.create(worker.taskQueueId, scopes, script(push(chain.image('first').layout, 'team-a/taken:1')));
      expect(await chain.resolved(first)).toBe('completed');
      const [taken] = chain.wire.of('team-a/taken').flatMap(({ method, token }) => (method === 'PUT' ? (token ?? []) : []));
      const bearing = `-H 'Authorization: Bearer ${taken}'`;
      const ask = (repository: string) => status(`http://${REGISTRY}/v2/${repository}/manifests/1`, bearing);
      const second = await chain.create(
        worker.taskQueueId,
        ['registry:pull:team-a/other'],
        script(ask('team-a/taken'), ask('team-a/other')),
      );
      const before = chain.wire.sent.length;
      expect(await chain.resolved(second)).toBe('completed');
      expect(printed(await chain.log(second))).toEqual(expect.arrayContaining(['401', '404']));
      const sent = chain.wire.sent.slice(before);
      expect([sent.length > 1, sent.some(({ token }) => token === taken)]).toEqual([true, false]);
      for (const { token } of sent) if (token) expect(claimsIn(token).sub).toBe(`task-run:${second}/0`);
    },
    WITHIN_MS,
  );

  it(
    '75: a run whose role is taken away is given no more tokens by which it could push',
    async () => {
      const worker = await chain.startWorker('one');
      await chain.test.role('registry-writer', 'registry:push:team-a/*');
      const { layout } = chain.image('kept');
      const steps = [push(layout, 'team-a/kept:1'), awaits(), `${push(layout, 'team-a/lost:1')} 2>&1 || echo "no more"`];
      const taskId = await chain.create(worker.taskQueueId, ['assume:registry-writer'], script(...steps));
      await eventually(
        'it has pushed',
        () => chain.wire.of('team-a/kept').some(({ target, status }) => target.includes('/manifests/1') && status === 201),
        20_000,
      );
      expect((await chain.test.root.delete('/auth/v1/roles/registry-writer')).status).toBe(204);
      chain.go(worker);
      expect([await chain.resolved(taskId), printed(await chain.log(taskId))]).toEqual(['completed', expect.arrayContaining(['no more'])]);
      const lost = chain.wire.of('team-a/lost');
      expect([lost.length > 0, lost.every(({ status }) => status === 401)]).toEqual([true, true]);
      for (const { token } of lost) expect(token === undefined ? [] : accessIn(token)).toEqual([]);
    },
    WITHIN_MS,
  );

  it(
    '6: after a reclaim the same proxy goes on with what was lent last',
    async () => {
      const short = await chain.test.replica({ claimTimeout: 3, claimPoll: 1 });
      chain.onTidy(() => short.close());
      const tap = await Tap.before(short.root.url);
      chain.onTidy(() => tap[Symbol.asyncDispose]());
      const worker = await chain.startWorker('one', { rootUrl: tap.origin });
      const { layout } = chain.image('reclaimed');
      const steps = [push(layout, 'team-a/reclaimed:1'), awaits(), pull('team-a/reclaimed:1', 'again'), push(layout, 'team-a/reclaimed:2')];
      const taskId = await chain.create(worker.taskQueueId, ['registry:push:team-a/*'], script(...steps));
      const pushed = () =>
        chain.wire.of('team-a/reclaimed').some(({ target, status }) => target.includes('/manifests/1') && status === 201);
      await eventually('it has pushed', pushed, 20_000);
      const [before, sent] = [worker.process.said('The lease was extended').length, chain.wire.of('team-a/reclaimed').length];
      await eventually('it was lent new credentials', () => worker.process.said('The lease was extended').length > before, 20_000);
      const asked = chain.asked(tap).length;
      chain.go(worker);
      expect([await chain.resolved(taskId), await chain.log(taskId)]).toEqual(['completed', expect.any(String)]);
      const [first, then] = [chain.asked(tap).slice(0, asked), chain.asked(tap).slice(asked)];
      expect([...first, ...then].filter(({ by }) => !by.includes(taskId))).toEqual([]);
      expect([then.length > 0, then.filter(({ ext }) => first.some((one) => one.ext === ext))]).toEqual([true, []]);
      const requests = chain.wire.of('team-a/reclaimed');
      assertOwn(requests, taskId);
      const used = (some: Sent[]) => new Set(some.map(({ token }) => token));
      expect([...used(requests.slice(sent))].filter((token) => used(requests.slice(0, sent)).has(token))).toEqual([]);
      await assertSecret([taskId], worker);
    },
    WITHIN_MS,
  );

  it(
    '75: where the credentials are the operator’s, the scopes that were signed decide, and roles do not',
    async () => {
      await using tokens = await TokenServer.start('operator.service');
      tokens.users.set('robot', { password: 'canary-of-the-operator', may: mayOn({ push: ['*'], delete: ['*'] }) });
      await using registry = await DockerRegistry.start(path.join(chain.directory, 'operator'), { auth: tokens.auth });
      const wire = new RegistryWire();
      await using gateway = await Gateway.start(registry.origin, wire);
      const creator = new Creator(HERE);
      const theirs = { name: 'operator.test', origin: gateway.origin, realm: tokens.realm, service: tokens.service };
      const worker = await chain.startWorker('one', {
        registries: [{ ...theirs, credentials: { username: 'robot', passwordFile: 'robot' } }],
        signatures: { policy: 'require', keySet: 'keys.json', audience: HERE },
        files: { robot: 'canary-of-the-operator', 'keys.json': keySetJson(1, creator) },
      });
      await chain.test.role('operators', 'registry-access:push:operator.test/*');
      const { layout } = chain.image('operators');
      const to = (repository: string) => `skopeo copy -q --preserve-digests oci:${layout}:latest docker://operator.test/${repository} 2>&1`;
      const steps = [
        `${to('team-a/app:1')} && echo pushed`,
        `skopeo copy -q docker://operator.test/team-a/app:1 oci:"$TASK_WORKSPACE/back":latest && echo pulled`,
        `${to('team-b/app:1')} || echo "nothing of team-b"`,
        `skopeo delete docker://operator.test/team-a/app:1 2>&1 || echo "not deleted"`,
        status('http://operator.test/v2/_catalog'),
      ].join('\n');
      const payload = { version: 1, maxRunTime: 60, steps: [{ name: 'step', script: steps, network: 'proxy', proxyUrl: true }] };
      const scopes = ['registry-access:push:operator.test/team-a/*', 'assume:operators', 'registry:push:operator.test/*'];
      const { taskId, body, jws } = await creator.signed({ taskQueueId: worker.taskQueueId, scopes, payload });
      await ok(chain.tasks.put(taskId, { ...body, signature: jws }));
      expect([await chain.resolved(taskId), printed(await chain.log(taskId))]).toEqual([
        'completed',
        expect.arrayContaining(['pushed', 'pulled', 'nothing of team-b', 'not deleted', '403']),
      ]);
      const log = await chain.log(taskId);
      for (const missing of ['pull:operator.test/team-b/app', 'delete:operator.test/team-a/app', 'catalog:operator.test'])
        expect(log).toContain(`the task needs the scope registry-access:${missing} in its definition`);
      expect(wire.sent.filter(({ target, method }) => !target.startsWith('/v2/team-a/app/') || method === 'DELETE')).toEqual([]);
      expect(new Set(tokens.requests.map(({ user }) => user))).toEqual(new Set(['robot']));
      expect(tokens.requests.flatMap((request) => request.scopes).filter((scope) => !/:team-a\/app:pull(,push)?$/.test(scope))).toEqual([]);
      const seen = [await chain.left(taskId), JSON.stringify(worker.process.entries), worker.process.stderr].join('\n');
      expect(['canary-of-the-operator', ...wire.tokens, ...wire.states].filter((canary) => seen.includes(canary))).toEqual([]);
    },
    WITHIN_MS,
  );

  it(
    'reaches listed origins by http_proxy beside it, and others not; and the service by TASKCLUSTER_PROXY_URL',
    async () => {
      const [listed, other] = [await elsewhere(), await elsewhere()];
      const worker = await chain.startWorker('one', { outgoing: [listed.origin] });
      const { layout } = chain.image('outgoing');
      const steps = script(
        `curl -sS ${listed.origin}/found -H 'x-of: the-step'`,
        status(`${other.origin}/lost`),
        `curl -sS -o /dev/null ${other.origin.replace('http', 'https')}/lost 2>&1 || echo "no tunnel"`,
        'curl -sS "$TASKCLUSTER_PROXY_URL/queue/v1/task/$TASK_ID/status" | grep -o "\\"taskId\\":[^,}]*" | head -1',
        'curl -sS "$TASKCLUSTER_PROXY_URL/api/auth/v1/scopes/current" | grep -c assume:anonymous',
        push(layout, 'team-a/outgoing:1'),
      );
      const taskId = await chain.create(worker.taskQueueId, ['registry:push:team-a/*', 'auth:current-scopes'], steps);
      const state = await chain.resolved(taskId);
      const log = await chain.log(taskId);
      expect([state, printed(log)]).toEqual([
        'completed',
        expect.arrayContaining(['GET /found', '403', 'no tunnel', `"taskId":"${taskId}"`]),
      ]);
      expect(listed.seen).toMatchObject([{ 'x-of': 'the-step' }]);
      expect([listed.seen[0]!.authorization, listed.seen[0]!.cookie, other.seen]).toEqual([undefined, undefined, []]);
      expect(log).toContain(new URL(other.origin).host);
      await assertSecret([taskId], worker);
    },
    WITHIN_MS,
  );

  /** A server that says what it was asked. It is at an address that programs do not take to be their own machine’s. */
  async function elsewhere(): Promise<{ origin: string; seen: IncomingHttpHeaders[] }> {
    const seen: IncomingHttpHeaders[] = [];
    const server = createServer((request, response) => {
      seen.push(request.headers);
      response.end(`${request.method} ${request.url}\n`);
    });
    await once(server.listen(0, '127.0.0.2'), 'listening');
    chain.onTidy(() => server.close());
    return { origin: `http://127.0.0.2:${(server.address() as AddressInfo).port}`, seen };
  }
});

function socketIn(directory: string): string {
  const [name = ''] = readdirSync(directory, { withFileTypes: true }).flatMap((entry) => (entry.isSocket() ? entry.name : []));
  return path.join(directory, name);
}
