import { Readable } from 'node:stream';
import taskcluster from 'taskcluster-client';
import apis, { type ReferenceEntry } from 'taskcluster-client/src/apis.js';
import { documentedRoutes } from './support/contract.js';
import { startTestService, type TestService } from './support/test-service.js';

/*
 * The unmodified npm client drives every operation that it knows and we serve, in one story of an administrator, a scheduler and
 * its workers, each with no more scopes than its part needs.
 */

/** What its reference has, and we do not serve. */
const NOT_SERVED: Record<string, string[]> = {
  Queue: ['declareProvisioner', 'declareWorkerType'], // the wire protocol of today has them no more
  Auth: [
    ...['getEntityHistory', 'listAuditHistory'], // the audit log is read by an operation of ours
    ...['awsS3Credentials', 'azureAccounts', 'azureTables', 'azureTableSAS', 'azureContainers', 'azureContainerSAS', 'gcpCredentials'],
    ...['sentryDSN', 'websocktunnelToken'], // credentials of other companies and services
  ],
  PurgeCache: ['purgeCache'], // nobody asks for it here
  Object: ['object', 'ping', 'lbheartbeat', 'heartbeat', 'version'], // a part of the queue, which answers for it; there is no metadata
};

const SERVICES = ['Queue', 'Auth', 'PurgeCache', 'Object'] as const;
const entriesOf = (service: string): ReferenceEntry[] => apis[service]?.reference.entries.filter(({ type }) => type === 'function') ?? [];
const absent = (service: string) => NOT_SERVED[service] ?? [];
const served = (service: string) => entriesOf(service).filter(({ name }) => !absent(service).includes(name));

function routeOf(service: string, { method, route }: ReferenceEntry) {
  const { serviceName = '', apiVersion = '' } = apis[service]?.reference ?? {};
  const path = `/api/${serviceName}/${apiVersion}${route}`.replace(/<(\w+)>/g, '{$1}').replace(/\/$/, '');
  return documentedRoutes.find((one) => one.method === method && one.path === path);
}

describe.each(SERVICES)('what the reference of %s knows', (service) => {
  it.each(served(service).map((entry) => [entry.name, entry] as const))('%s is served where it says', (name, entry) => {
    const { operationId, parameters = [] } = routeOf(service, entry)?.operation ?? {};
    const always = { ping: 'Ping', lbheartbeat: 'Lbheartbeat', heartbeat: 'Heartbeat', version: 'Version' }[name];
    expect(operationId).toBe(always ? service[0]?.toLowerCase() + service.slice(1) + always : name);
    expect(parameters.map((parameter) => parameter.name)).toEqual(expect.arrayContaining(entry.query));
  });

  it('is not served where this test says that it is not', () => {
    const known = entriesOf(service).map(({ name }) => name);
    expect(absent(service).filter((name) => !known.includes(name))).toEqual([]);
    const wrong = entriesOf(service).filter((entry) => absent(service).includes(entry.name) && routeOf(service, entry));
    expect(wrong.map(({ name }) => name)).toEqual([]); // served by now: let it leave the list, and drive it below
  });
});

describe('the story', () => {
  let test: TestService;
  beforeAll(async () => {
    test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
  });
  afterAll(() => test.close());

  type Credentials = { clientId: string; accessToken: string; certificate?: string };
  // biome-ignore lint/suspicious/noExplicitAny: a stranger's client, untyped on purpose
  type Client = Record<string, (...given: unknown[]) => Promise<any>>;
  const driven = Object.fromEntries(SERVICES.map((service) => [service, new Set<string>()]));

  /** The client, unmodified; what it is asked to do, and does, is remembered. */
  function as(credentials: Credentials | undefined, service: (typeof SERVICES)[number] = 'Queue'): Client {
    const client = new taskcluster[service]({ rootUrl: test.root.url, credentials, retries: 0 });
    return new Proxy(client, {
      get:
        (_, name: string) =>
        async (...given: unknown[]) => {
          const answer = await client[name](...given);
          driven[service]?.add(name);
          return answer;
        },
    });
  }

  const clientWith = async (...scopes: string[]) => (await test.client(...scopes)).credentials!;
  const [DAY, QUEUE, WORKER] = ['1 day', 'npm/builder', { workerGroup: 'rack', workerId: 'one' }];
  const task = (overrides: object = {}) => ({
    ...{ taskQueueId: QUEUE, schedulerId: 'npm', projectId: 'npm', priority: 'low', retries: 2 },
    ...{ created: taskcluster.fromNow('0 seconds'), deadline: taskcluster.fromNow('1 hour'), expires: taskcluster.fromNow(DAY) },
    metadata: { name: 'story', description: 'of the npm client', owner: 'npm@example.com', source: 'https://example.com' },
    payload: {},
    ...overrides,
  });

  it('each service says that it is there, to whoever asks', async () => {
    for (const service of SERVICES.filter((one) => !absent(one).includes('ping'))) {
      const anybody = as(undefined, service);
      expect(await anybody.ping!()).toMatchObject({ alive: true });
      expect(await anybody.version!()).toMatchObject({ version: expect.any(String) });
      for (const name of ['heartbeat', 'lbheartbeat']) expect(await anybody[name]!()).toEqual({});
    }
  });

  it('an administrator lets people in and out', async () => {
    const verbs = [
      'create-client',
      'update-client',
      'get-client',
      'reset-access-token',
      'disable-client',
      'enable-client',
      'delete-client',
    ];
    const roles = ['create-role', 'update-role', 'get-role', 'delete-role'];
    const admin = as(
      await clientWith(
        ...verbs.map((verb) => `auth:${verb}:npm/*`),
        ...roles.map((verb) => `auth:${verb}:npm-*`),
        ...['auth:list-clients', 'auth:list-roles', 'auth:expand-scopes', 'npm:*', 'assume:npm-*'],
      ),
      'Auth',
    );
    const role = { description: 'of the story', scopes: ['npm:read:*'] };
    expect(await admin.createRole!('npm-reader', role)).toMatchObject({ roleId: 'npm-reader', ...role });
    expect((await admin.updateRole!('npm-reader', { ...role, scopes: ['npm:read:*', 'npm:list'] })).scopes).toContain('npm:list');
    expect(await admin.role!('npm-reader')).toMatchObject({ expandedScopes: ['assume:npm-reader', 'npm:list', 'npm:read:*'] });
    expect(await admin.expandScopes!({ scopes: ['assume:npm-reader'] })).toMatchObject({ scopes: expect.arrayContaining(['npm:list']) });
    expect(await admin.listRoleIds!()).toEqual({ roleIds: ['npm-reader'] });
    expect((await admin.listRoles2!({ limit: 5 })).roles).toEqual(await admin.listRoles!());

    const wish = { expires: taskcluster.fromNow(DAY), description: 'a reader', scopes: ['assume:npm-reader'] };
    const { accessToken } = await admin.createClient!('npm/reader', wish);
    const read = (token: string) => as({ clientId: 'npm/reader', accessToken: token }, 'Auth').currentScopes!();
    await expect(read(accessToken)).rejects.toMatchObject({ statusCode: 403, code: 'InsufficientScopes' });
    await test.role('anonymous', 'auth:current-scopes');
    expect((await read(accessToken)).scopes).toEqual(expect.arrayContaining(['npm:list', 'npm:read:*']));
    await test.root.delete('/auth/v1/roles/anonymous');

    const updated = { ...wish, scopes: ['assume:npm-reader', 'npm:more'] };
    expect(await admin.updateClient!('npm/reader', updated)).toMatchObject({ scopes: updated.scopes });
    expect(await admin.client!('npm/reader')).toMatchObject({ clientId: 'npm/reader', disabled: false });
    expect((await admin.listClients!({ prefix: 'npm/' })).clients).toHaveLength(1);
    expect(await admin.disableClient!('npm/reader')).toMatchObject({ disabled: true });
    await expect(read(accessToken)).rejects.toMatchObject({ statusCode: 401 });
    expect(await admin.enableClient!('npm/reader')).toMatchObject({ disabled: false });
    const reset = await admin.resetAccessToken!('npm/reader');
    expect(reset.accessToken).not.toBe(accessToken);
    await admin.deleteClient!('npm/reader');
    await admin.deleteRole!('npm-reader');
    await expect(admin.client!('npm/reader')).rejects.toMatchObject({ statusCode: 404, code: 'ResourceNotFound' });
  });

  it('an author of clients tries out signing, and a service asks who signed', async () => {
    const tester = as({ clientId: 'tester', accessToken: 'no-secret' }, 'Auth');
    expect(await tester.testAuthenticateGet!()).toMatchObject({ clientId: 'tester' });
    const scopes = { clientScopes: ['test:*'], requiredScopes: ['test:this'] };
    expect(await tester.testAuthenticate!(scopes)).toMatchObject({ clientId: 'tester' });
    const request = { method: 'get', resource: '/', host: 'example.com', port: 80 };
    expect(await as(undefined, 'Auth').authenticateHawk!(request)).toMatchObject({ status: 'no-auth' });
  });

  it('a scheduler makes a group of tasks, looks at it, and steers it', async () => {
    const [first, second, third] = [taskcluster.slugid(), taskcluster.slugid(), taskcluster.slugid()];
    const taskGroupId = taskcluster.slugid();
    const verbs = ['schedule-task', 'cancel-task', 'rerun-task'].map((verb) => `queue:${verb}:npm/${taskGroupId}/*`);
    const groups = ['seal-task-group', 'cancel-task-group'].map((verb) => `queue:${verb}:npm/${taskGroupId}`);
    const scheduler = as(
      await clientWith(
        ...['queue:create-task:high:npm/*', 'queue:create-task:project:npm', 'queue:scheduler-id:npm', 'npm:secret'],
        ...['queue:get-task:*', 'queue:status:*', 'queue:list-dependent-tasks:*', `queue:list-task-group:${taskGroupId}`],
        ...['queue:pending-count:npm/*', 'queue:claimed-count:npm/*'],
        ...['queue:pending-list:npm/*', 'queue:claimed-list:npm/*'],
        ...[...verbs, ...groups],
      ),
    );
    const state = async (taskId: string) => (await scheduler.status!(taskId)).status.state;
    await scheduler.createTask!(first, task({ taskGroupId, scopes: ['npm:secret'] }));
    await scheduler.createTask!(second, task({ taskGroupId, dependencies: [first] }));
    const { status } = await scheduler.createTask!(third, task({ taskGroupId, priority: 'lowest', dependencies: [third] }));
    expect(status.state).toBe('unscheduled');
    expect((await scheduler.scheduleTask!(third)).status.state).toBe('pending');
    expect(await scheduler.task!(first)).toMatchObject({ taskQueueId: QUEUE, scopes: ['npm:secret'] });
    expect((await scheduler.tasks!({ taskIds: [first, second] })).tasks).toHaveLength(2);
    expect((await scheduler.statuses!({ taskIds: [first, second] }, { limit: 1 })).statuses).toHaveLength(1);
    expect((await scheduler.listDependentTasks!(first)).tasks).toMatchObject([{ status: { taskId: second } }]);
    expect(await scheduler.getTaskGroup!(taskGroupId)).toMatchObject({ taskGroupId, schedulerId: 'npm' });
    expect((await scheduler.listTaskGroup!(taskGroupId, { limit: 10 })).tasks).toHaveLength(3);
    expect(await scheduler.pendingTasks!(QUEUE)).toMatchObject({ pendingTasks: 2 });
    expect((await scheduler.listPendingTasks!(QUEUE)).tasks).toMatchObject([{ taskId: first }, { taskId: third }]);
    expect(await scheduler.taskQueueCounts!(QUEUE)).toMatchObject({ pendingTasks: 2, claimedTasks: 0 });

    const worker = as(await clientWith(`queue:claim-work:${QUEUE}`, `queue:claim-task:${QUEUE}`, 'queue:worker-id:rack/one'));
    const { tasks } = await worker.claimWork!(QUEUE, { ...WORKER, tasks: 1 });
    expect(tasks).toMatchObject([{ status: { taskId: first } }]); // low comes before lowest
    expect((await scheduler.listClaimedTasks!(QUEUE, { limit: 5 })).tasks).toMatchObject([{ taskId: first, ...WORKER }]);
    const reclaim = await as(tasks[0].credentials).reclaimTask!(first, 0);
    expect((await as(reclaim.credentials).reportCompleted!(first, 0)).status.state).toBe('completed');
    expect(await state(second)).toBe('pending');

    const claim = await worker.claimTask!(second, 0, WORKER);
    expect((await as(claim.credentials).reportException!(second, 0, { reason: 'worker-shutdown' })).status.runs).toHaveLength(2);
    const again = await worker.claimTask!(second, 1, WORKER);
    expect((await as(again.credentials).reportFailed!(second, 1)).status.state).toBe('failed');
    expect((await scheduler.rerunTask!(second)).status.runs).toHaveLength(3);
    expect((await scheduler.cancelTask!(second)).status.state).toBe('exception');

    await expect(scheduler.cancelTaskGroup!(taskGroupId)).rejects.toMatchObject({ statusCode: 409, code: 'RequestConflict' });
    expect(await scheduler.sealTaskGroup!(taskGroupId)).toMatchObject({ sealed: expect.any(String) });
    expect(await scheduler.cancelTaskGroup!(taskGroupId)).toMatchObject({ taskGroupSize: 3, cancelledCount: 1, taskIds: [third] });
    await expect(scheduler.createTask!(taskcluster.slugid(), task({ taskGroupId }))).rejects.toMatchObject({ statusCode: 409 });
  });

  it('a worker leaves artifacts, and a reader fetches them', async () => {
    const taskId = taskcluster.slugid();
    const scopes = ['queue:create-task:low:npm/*', 'queue:create-task:project:npm', 'queue:scheduler-id:npm'];
    await as(await clientWith(...scopes)).createTask!(taskId, task());
    const worker = as(await clientWith(`queue:claim-task:${QUEUE}`, 'queue:worker-id:rack/one'));
    const { credentials } = await worker.claimTask!(taskId, 0, WORKER);
    const run = as(credentials);
    const [expires, name, url] = [taskcluster.fromNowJSON('1 hour'), 'public/npm/log', 'https://example.com/log'];
    await run.createArtifact!(taskId, 0, name, { storageType: 'reference', expires, url });
    const {
      uploadId,
      credentials: lent,
      ...object
    } = await run.createArtifact!(taskId, 0, 'public/pack', { storageType: 'object', expires });
    const uploader = as(lent, 'Object');
    const bytes = { contentType: 'text/plain', contentLength: 4, streamFactory: async () => Readable.from([Buffer.from('pack')]) };
    await taskcluster.upload({ ...object, ...bytes, uploadId, object: uploader });
    await run.finishArtifact!(taskId, 0, 'public/pack', { uploadId });

    const lists = [`queue:list-artifacts:${taskId}:0`, `queue:list-artifacts:${taskId}`];
    const reader = as(await clientWith('queue:get-artifact:public/*', ...lists));
    const artifacts = [
      { name, storageType: 'reference' },
      { name: 'public/pack', storageType: 'object', contentLength: 4 },
    ];
    expect(await reader.listArtifacts!(taskId, 0, { limit: 5 })).toMatchObject({ artifacts });
    expect(await reader.listLatestArtifacts!(taskId)).toMatchObject({ artifacts });
    expect(await reader.artifactInfo!(taskId, 0, name)).toMatchObject(artifacts[0]!);
    expect(await reader.latestArtifactInfo!(taskId, 'public/pack')).toMatchObject(artifacts[1]!);
    expect(await reader.artifact!(taskId, 0, name)).toEqual({ storageType: 'reference', url });
    expect(await reader.getArtifact!(taskId, 0, name)).toEqual({ storageType: 'reference', url });
    const text = async (at: string) => (await fetch(at)).text();
    expect(await text((await reader.getLatestArtifact!(taskId, 'public/pack')).url)).toBe('pack');
    const content = await reader.latestArtifact!(taskId, 'public/pack');
    expect(content).toMatchObject({ storageType: 'object', name: object.name });
    const downloader = as(content.credentials, 'Object');
    const accepted = { acceptDownloadMethods: { simple: true } };
    expect(await text((await downloader.startDownload!(object.name, accepted)).url)).toBe('pack');
    expect(await downloader.download!(object.name)).toBeUndefined(); // a redirect that the client does not follow, and has no body
  });

  it('a worker asks which caches to throw away', async () => {
    const worker = as(await clientWith(`purge-cache:purge-requests::${QUEUE}`, 'purge-cache:all-purge-requests'), 'PurgeCache');
    expect(await worker.purgeRequests!(QUEUE, { since: taskcluster.fromNowJSON('-1 hour') })).toEqual({ requests: [] });
    expect(await worker.allPurgeRequests!({ limit: 5 })).toEqual({ requests: [] });
  });

  it('an operator looks after the fleet', async () => {
    const at = ['npm', 'builder', 'rack', 'two'];
    const operator = as(
      await clientWith(
        ...['queue:list-task-queues', 'queue:get-task-queue:npm/*', 'queue:list-provisioners', 'queue:get-provisioner:npm'],
        ...['queue:list-worker-types:npm', 'queue:get-worker-type:npm/*', 'queue:list-workers:npm/*', 'queue:get-worker:npm/*'],
        ...['queue:declare-worker:npm/builder/rack/two#expires', 'queue:quarantine-worker:npm/*'],
      ),
    );
    expect(await operator.declareWorker!(...at, { expires: taskcluster.fromNow(DAY) })).toMatchObject({ workerId: 'two' });
    expect(await operator.listTaskQueues!()).toMatchObject({ taskQueues: [{ taskQueueId: QUEUE }] });
    expect(await operator.getTaskQueue!(QUEUE)).toMatchObject({ taskQueueId: QUEUE });
    expect(await operator.listProvisioners!({ limit: 10 })).toMatchObject({ provisioners: [{ provisionerId: 'npm' }] });
    expect(await operator.getProvisioner!('npm')).toMatchObject({ provisionerId: 'npm' });
    expect(await operator.listWorkerTypes!('npm')).toMatchObject({ workerTypes: [{ workerType: 'builder' }] });
    expect(await operator.getWorkerType!('npm', 'builder')).toMatchObject({ workerType: 'builder' });
    const workers = [{ workerId: 'one', latestTask: expect.any(Object) }, { workerId: 'two' }];
    expect(await operator.listWorkers!('npm', 'builder')).toMatchObject({ workers });
    const quarantine = { quarantineUntil: taskcluster.fromNow('1 hour'), quarantineInfo: 'smells of smoke' };
    expect(await operator.quarantineWorker!(...at, quarantine)).toMatchObject({
      quarantineDetails: [{ quarantineInfo: 'smells of smoke' }],
    });
    expect((await operator.getWorker!(...at)).quarantineUntil).toBe(new Date(quarantine.quarantineUntil).toJSON());
    expect(await operator.listWorkers!('npm', 'builder', { quarantined: 'true' })).toMatchObject({ workers: [{ workerId: 'two' }] });
  });

  it('left nothing out that is served', () => {
    for (const service of SERVICES) {
      expect([...(driven[service] ?? [])].sort()).toEqual(
        served(service)
          .map(({ name }) => name)
          .sort(),
      );
    }
  });
});
