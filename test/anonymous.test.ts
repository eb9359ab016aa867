import taskcluster from 'taskcluster-client';
import { Registry } from '../src/service/auth/registry.js';
import { readConfig } from '../src/service/config.js';
import { announced, wish } from './operations/artifacts.js';
import { Line } from './operations/line.js';
import { operationsOf } from './operations/suite.js';
import { AUDIENCE, World } from './operations/world.js';
import { definition, slugid } from './support/api.js';
import { type DocumentedRoute, documentedRoutes, serviceOf } from './support/contract.js';
import { ok, refused, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

const { anonymousScopes } = readConfig({});

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0, signatureAudience: AUDIENCE, anonymousScopes });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

const stranger = () => ({ rootUrl: test.root.url, retries: 0 });

it('by default strangers read what workers and tools read without credentials, by the unmodified client', async () => {
  const payload = { told: 'everybody' };
  const taskId = await tasks.create({ taskQueueId: 'open/type', payload });
  await tasks.run('completed', taskId);
  const queue = new taskcluster.Queue(stranger());
  expect(await queue.task(taskId)).toMatchObject({ payload });
  expect(await queue.status(taskId)).toMatchObject({ status: { state: 'completed' } });
  expect((await queue.listTaskGroup(taskId)).tasks).toHaveLength(1);
  expect(await queue.listDependentTasks(taskId)).toMatchObject({ tasks: [] });
  expect(await queue.pendingTasks('open/type')).toMatchObject({ pendingTasks: 0 });
  expect((await queue.listWorkers('open', 'type')).workers).toHaveLength(1);
  expect(await queue.getWorker('open', 'type', 'group', 'worker')).toMatchObject({ recentTasks: [{ taskId, runId: 0 }] });
  expect(await new taskcluster.PurgeCache(stranger()).purgeRequests('open/type')).toEqual({ requests: [] });
  const { scopes } = await new taskcluster.Auth(stranger()).currentScopes();
  expect([...scopes].sort()).toEqual(['assume:anonymous', ...anonymousScopes].sort());
});

/** Of all that need scopes. */
const OPEN = [
  ...['currentScopes', 'expandScopes'],
  ...['task', 'getTaskSignature', 'tasks', 'status', 'statuses', 'listDependentTasks', 'getTaskGroup', 'listTaskGroup', 'followEvents'],
  ...['listArtifacts', 'listLatestArtifacts', 'artifactInfo', 'latestArtifactInfo'],
  ...['pendingTasks', 'getWorkerType', 'listWorkerTypes', 'getWorker', 'listWorkers', 'purgeRequests'],
];
/** If the name begins with public/. */
const CONTENT = ['getArtifact', 'getLatestArtifact', 'artifact', 'latestArtifact'];

it('by default strangers may call just these operations, and content of artifacts only by public names', async () => {
  const world = new World(test);
  const open: string[] = [];
  for (const route of documentedRoutes.filter(({ operation }) => operation['x-required-scopes'] !== undefined)) {
    const { operationId } = route.operation;
    const one = (await operationsOf(serviceOf(route))).get(operationId);
    const { status } = await new Line(route).send(test.root.as(), await one!.arrange(world));
    if (status !== 403) open.push(operationId);
  }
  expect(open.sort()).toEqual([...OPEN, ...CONTENT].sort());
  const routeOf = (name: string) => documentedRoutes.find(({ operation }) => operation.operationId === name) as DocumentedRoute;
  for (const name of ['private/a', 'public', 'Public/a', 'publicx/a', '/public/a', 'public%2Fa']) {
    const { params } = await announced(world, wish.reference(), name);
    for (const of of CONTENT) await new Line(routeOf(of)).refuse(test.root.as(), { params }, 'InsufficientScopes');
  }
});

it('by default strangers change nothing, and are told no secret', async () => {
  const api = test.root.as();
  const taskId = await tasks.create({ taskQueueId: 'shut/type' });
  const worker = { workerGroup: 'group', workerId: 'worker' };
  for (const verb of ['schedule', 'cancel', 'rerun']) await refused(api.post(`/queue/v1/task/${taskId}/${verb}`), 403);
  await refused(api.put(`/queue/v1/task/${slugid()}`, definition()), 403);
  await refused(api.put(`/queue/v1/task/${slugid()}`, definition({ scopes: ['queue:get-task:*'] })), 403);
  await refused(api.post('/queue/v1/claim-work/shut%2Ftype', worker), 403);
  await refused(api.post(`/queue/v1/task/${taskId}/runs/0/claim`, worker), 403);
  await refused(api.post(`/queue/v1/task/${taskId}/runs/0/completed`), 403);
  await refused(
    api.put('/queue/v1/provisioners/shut/worker-types/type/workers/group/worker', { quarantineUntil: '2030-01-01T00:00:00Z' }),
    403,
  );
  for (const path of [
    '/auth/v1/clients',
    '/auth/v1/clients/static%2Froot',
    '/auth/v1/roles',
    '/queue/v1/task-queues/shut%2Ftype/pending',
  ]) {
    await refused(api.get(path), 403);
  }
  await refused(api.put('/auth/v1/roles/anonymous', { scopes: [], description: '' }), 403);
  expect(await tasks.state(taskId)).toBe('pending');
});

it('credentials of a run that is over read nothing, though strangers may', async () => {
  const taskId = await tasks.create();
  const { credentials } = await ok(tasks.claimTask(taskId));
  const run = test.root.as(credentials);
  await ok(run.get(`/queue/v1/task/${taskId}`));
  await ok(run.post(`/queue/v1/task/${taskId}/runs/0/completed`));
  await refused(run.get(`/queue/v1/task/${taskId}`), 401);
  await ok(test.root.as().get(`/queue/v1/task/${taskId}`));
});

it('a role named anonymous adds to what is configured, and cannot take it away', async () => {
  const list = '/queue/v1/task-queues';
  const taskId = await tasks.create();
  await refused(test.root.as().get(list), 403);
  await ok(test.root.put('/auth/v1/roles/anonymous', { scopes: ['queue:list-task-queues'], description: '' }));
  await ok(test.root.as().get(list));
  await ok((await test.client('irrelevant')).get(list));
  await ok(test.root.post('/auth/v1/roles/anonymous', { scopes: [], description: '' }));
  await refused(test.root.as().get(list), 403);
  await ok(test.root.as().get(`/queue/v1/task/${taskId}`));
});

it("with ANONYMOUS_SCOPES='[]' strangers and clients read only what they hold", async () => {
  const shut = await test.replica({ anonymousScopes: readConfig({ ANONYMOUS_SCOPES: '[]' }).anonymousScopes });
  try {
    const taskId = await tasks.create();
    const client = shut.root.as((await test.client(`queue:status:${taskId}`)).credentials);
    await shut.service.app.get(Registry).refresh();
    for (const api of [shut.root.as(), client]) {
      for (const path of [`task/${taskId}`, `task-group/${taskId}/list`, 'pending/test%2Fqueue'])
        await refused(api.get(`/queue/v1/${path}`), 403);
      await refused(api.get('/auth/v1/scopes/current'), 403);
      await refused(api.get('/purge-cache/v1/purge-cache/test%2Fqueue'), 403);
    }
    await refused(shut.root.as().get(`/queue/v1/task/${taskId}/status`), 403);
    await ok(client.get(`/queue/v1/task/${taskId}/status`));
  } finally {
    await shut.close();
  }
});
