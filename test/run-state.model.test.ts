import fc from 'fast-check';
import { PRIORITIES } from '../src/service/queue/priority.js';
import { MOST_RUNS, stateOf } from '../src/service/queue/run-state.js';
import { SweepService } from '../src/service/queue/sweep.service.js';
import { type Answer, type Credentials, definition, slugid } from './support/api.js';
import { type By, type Command, type Script, script, told, type Which } from './support/script.js';
import { ok, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';
import { type Expected, isOpen, isWornOut, latest, MOST_TASKS, type ModelTask, WORKERS, World } from './support/world.js';

/*
 * Random sequences of everything that can happen to a small world (tasks that wait for one another, in two groups and two queues, and
 * two workers), against the API and the database; after each command all of it must be as the pure model says. The seed is fixed:
 * FC_SEED takes another, FC_RUNS more worlds.
 */
const SEED = Number(process.env.FC_SEED ?? 3);
const RUNS = Number(process.env.FC_RUNS ?? 75);

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

/** How often what happened; so that a model that nothing happens in is noticed. */
const seen = new Map<string, number>();
const see = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);

it('the API and the database are the world of the model', async () => {
  const property = fc.asyncProperty(script, (one) => play(one));
  await fc.assert(property, { numRuns: RUNS, seed: SEED, interruptAfterTimeLimit: 150_000, markInterruptAsFailure: true });
  const rare = MUST_BE_SEEN.filter((what) => !seen.has(what));
  if (rare.length > 0) expect([rare, Object.fromEntries(seen)]).toEqual([]);
}, 180_000);

/** Each of these is a way to be wrong; a choice of commands that never leads there would prove nothing. */
const MUST_BE_SEEN = [
  ...['create', 'createAgain', 'cancel', 'rerun', 'priority', 'claimTask', 'reclaim', 'report'].flatMap((kind) => [
    `${kind} 200`,
    `${kind} 409`,
  ]),
  ...['claimTask 404', 'reclaim 404', 'report 404', 'report 403'],
  ...['seal 200', 'seal 404', 'cancelGroup 200', 'cancelGroup 404', 'cancelGroup 409', 'groupPriority 200'],
  ...[
    'sealed to creators',
    'a wave of cancellation',
    'ahead by priority',
    'ahead by age',
    'nothing for the quarantined',
    'fan-out',
    'fan-in',
  ],
  ...['retried', 'out of retries', 'lapsed with a retry', 'lapsed without', 'run 50', 'no run 51', 'forced', 'satisfied for good'],
  ...[
    'past the deadline',
    'deadline-exceeded',
    'waits for itself',
    'credentials: everything',
    'credentials: artifacts',
    'credentials: nothing',
  ],
];

async function play({ commands }: Script): Promise<void> {
  const stage = new Stage();
  for (const command of commands) {
    if (!stage.has(command)) continue;
    const words = stage.told(command);
    try {
      await stage.perform(command);
      await stage.compare();
    } catch (error) {
      throw new Error(`after: ${words}`, { cause: error });
    }
  }
  await stage.compareGroups();
  await stage.tryAllCredentials();
}

/** One world in the service, and beside it the model's. */
class Stage {
  readonly world = new World();
  private readonly ids = new Map<string, string>();
  private readonly definitions = new Map<string, Record<string, unknown>>();
  private readonly groupIds = [slugid(), slugid()];
  private readonly queueIds = [0, 1].map((n) => `model/${`q${n}${slugid()}`.toLowerCase().replace(/[-_]/g, 'x')}`);
  /** By task and run: who was leased it, and with what. */
  private readonly leases = new Map<string, { task: ModelTask; runId: number; worker: string; credentials: Credentials }>();
  private readonly satisfied = new Set<string>();

  /** Whether there is what the command is about. */
  has(command: Command): boolean {
    if (command.kind === 'create') return this.world.tasks.length < MOST_TASKS;
    return !('task' in command) || this.taskOf(command.task) !== undefined;
  }

  /** The command in words, with the name of its task even if it is only meant by what it does. */
  told(command: Command): string {
    const task = 'task' in command ? this.world.tasks.indexOf(this.taskOf(command.task)!) : 0;
    return told('task' in command ? { ...command, task } : command, this.world.tasks.length);
  }

  async perform(command: Command): Promise<void> {
    this.world.tick();
    const task = 'task' in command ? this.taskOf(command.task) : undefined;
    switch (command.kind) {
      case 'create':
        return this.create(command);
      case 'seal':
      case 'cancelGroup':
      case 'groupPriority':
        return this.changeGroup(command);
      case 'claimWork':
        return this.claimWork(command);
      case 'quarantine':
      case 'release':
        return this.quarantine(command);
      case 'sweep':
        return this.sweep();
      default:
        return this.happenTo(task!, command);
    }
  }

  private async happenTo(task: ModelTask, command: Command & { task: number }): Promise<void> {
    const { world } = this;
    const taskId = this.idOf(task);
    const runId = 'run' in command ? runIdOf(task, command.run) : 0;
    switch (command.kind) {
      case 'createAgain':
        return this.check(command, await this.putAgain(task, command.differently), world.createAgain(task, command.differently !== ''));
      case 'schedule':
      case 'cancel':
      case 'rerun':
        return this.steer(command.kind, task);
      case 'wearOut':
        return this.wearOut(task);
      case 'priority': {
        const answer = await test.root.post(`/queue/v1/task/${taskId}/priority`, { newPriority: PRIORITIES[command.rank] });
        return this.check(command, answer, world.changePriority(task, command.rank));
      }
      case 'claimTask': {
        const worker = WORKERS[command.worker]!;
        const answer = await tasks.claimTask(taskId, runId, named(worker));
        this.check(command, answer, world.claimTask(task, runId, worker));
        return answer.status === 200 ? this.leased(task, answer.body, worker) : undefined;
      }
      case 'reclaim': {
        const answer = await this.as(task, runId, command.by).reclaim(taskId, runId);
        this.check(command, answer, this.unlessBarred(task, runId, command.by) ?? world.reclaim(task, runId));
        return answer.status === 200 ? this.leased(task, answer.body, answer.body.workerId) : undefined;
      }
      case 'report': {
        const answer = await this.as(task, runId, command.by).report(command.outcome, taskId, runId);
        const runs = task.life.runs.length;
        this.check(command, answer, this.unlessBarred(task, runId, command.by) ?? world.report(task, runId, command.outcome));
        if (task.life.runs.length > runs) see('retried');
        else if (answer.status === 200 && command.outcome === 'worker-shutdown') see('out of retries');
        return;
      }
      case 'lapse':
        return this.lapse(task, command.swept);
      case 'overdue':
        return this.overdue(task);
      case 'pastDeadline':
        see('past the deadline');
        await tasks.pastDeadline(taskId);
        task.late = true;
        return this.sweep();
    }
  }

  private async create(wish: Command & { kind: 'create' }): Promise<void> {
    const taskId = slugid();
    const dependencies = [...this.world.required(wish).map((task) => this.idOf(task)), ...(wish.self ? [taskId] : [])];
    const body = definition({
      taskQueueId: this.queueIds[wish.queue],
      taskGroupId: this.groupIds[wish.group],
      schedulerId: wish.scheduler,
      priority: PRIORITIES[wish.rank],
      retries: wish.retries,
      dependencies,
      requires: wish.anyOutcome ? 'all-resolved' : 'all-completed',
      scopes: ['auth:current-scopes'],
    });
    const answer = await tasks.put(taskId, body);
    const expected = this.world.create(wish);
    if (expected.task) {
      this.ids.set(expected.task.name, taskId);
      this.definitions.set(taskId, body);
      if (wish.self) see('waits for itself');
      if (expected.task.waitsFor.length > 1) see('fan-in');
    } else if (this.world.groups[wish.group]?.sealed) see('sealed to creators');
    this.check(wish, answer, expected);
  }

  private putAgain(task: ModelTask, differently: '' | 'payload' | 'group'): Promise<Answer> {
    const other = { '': {}, payload: { payload: { other: true } }, group: { taskGroupId: this.groupIds[1 - task.group] } }[differently];
    return tasks.put(this.idOf(task), { ...this.definitions.get(this.idOf(task)), ...other });
  }

  private async steer(kind: 'schedule' | 'cancel' | 'rerun', task: ModelTask): Promise<void> {
    const answer = await tasks.steer(kind, this.idOf(task));
    const worn = isWornOut(task) && kind === 'rerun' && !isOpen(task) && !task.late;
    const { unblocked } = this.world;
    this.check({ kind }, answer, this.world.steer(kind, task));
    if (worn) see('no run 51');
    if (kind === 'cancel' && this.world.unblocked > unblocked) see('a wave of cancellation');
  }

  /** Reruns and cancels the task until it can have no further run. */
  private async wearOut(task: ModelTask): Promise<void> {
    if (task.late) return;
    if (isOpen(task)) await this.steer('cancel', task);
    while (task.life.runs.length < MOST_RUNS) for (const kind of ['rerun', 'cancel'] as const) await this.steer(kind, task);
    see('run 50');
  }

  /** Who is given what: by priority, then by how long it is pending. What is in one place may come in any order. */
  private async claimWork({ queue, count, worker }: Command & { kind: 'claimWork' }): Promise<void> {
    const name = WORKERS[worker]!;
    const claimable = this.world.claimable(queue, name);
    const { tasks: claims } = await ok(tasks.claimWork(this.queueIds[queue]!, count, named(name)));
    const given: ModelTask[] = claims.map((claim: Answer['body']) => this.byId(claim.status.taskId));
    const place = ({ rank, since }: ModelTask) => ({ rank, since });
    expect(given.map(place)).toEqual(claimable.slice(0, count).map(place));
    expect(given.filter((task) => !claimable.includes(task)).map((task) => task.name)).toEqual([]);
    expect(new Set(given).size).toBe(given.length);
    for (const [index, task] of given.entries()) {
      this.world.claimed(task, name);
      this.leased(task, claims[index], name);
    }
    for (const _ of given) see('claimed by claimWork');
    this.seeOrder(given, claimable.slice(given.length));
    if (this.world.isQuarantined(queue, name) && this.world.claimable(queue, WORKERS[1 - worker]!).length > 0)
      see('nothing for the quarantined');
  }

  private seeOrder([first]: ModelTask[], left: ModelTask[]): void {
    if (first && left.some((task) => task.since < first.since)) see('ahead by priority');
    if (first && left.some((task) => task.rank === first.rank && task.since > first.since)) see('ahead by age');
  }

  /** A run has one holder for ever, and each lease a fence of its own. */
  private leased(task: ModelTask, claim: Answer['body'], worker: string): void {
    const key = `${task.name}/${claim.runId}`;
    const before = this.leases.get(key);
    if (before && before.worker !== worker) throw new Error(`run ${key} was leased to ${before.worker}, and then to ${worker}`);
    this.leases.set(key, { task, runId: claim.runId, worker, credentials: claim.credentials });
    expect([claim.runId, claim.fence, claim.workerId]).toEqual([latest(task), task.fence, worker]);
    expect(shown(claim.status)).toEqual(expected(task));
  }

  private async quarantine({ kind, queue, worker }: Command & { kind: 'quarantine' | 'release' }): Promise<void> {
    const name = WORKERS[worker]!;
    const at = `/queue/v1/provisioners/${this.queueIds[queue]!.replace('/', '/worker-types/')}`;
    await ok(test.root.put(`${at}/group/${name}`, {}));
    const quarantineUntil = new Date(Date.now() + (kind === 'quarantine' ? 3_600_000 : -1_000)).toISOString();
    await ok(test.root.put(`${at}/workers/group/${name}`, { quarantineUntil }));
    this.world.quarantine(queue, name, kind === 'quarantine');
  }

  private async changeGroup(command: Command & { group: number }): Promise<void> {
    const at = `/queue/v1/task-group/${this.groupIds[command.group]}`;
    if (command.kind === 'groupPriority') {
      const answer = await test.root.post(`${at}/priority`, { newPriority: PRIORITIES[command.rank] });
      return this.check(command, answer, this.world.changeGroupPriority(command.group, command.rank));
    }
    if (command.kind === 'seal') return this.check(command, await test.root.post(`${at}/seal`), this.world.seal(command.group));
    const { unblocked } = this.world;
    this.check(command, await test.root.post(`${at}/cancel`), this.world.cancelGroup(command.group));
    if (this.world.unblocked > unblocked) see('a wave of cancellation');
  }

  /** The lease runs out in the data. Unless swept, nobody has noticed yet. */
  private async lapse(task: ModelTask, swept: boolean): Promise<void> {
    if (stateOf(task.life) !== 'running') return;
    await tasks.lapse(this.idOf(task));
    task.lapsed = true;
    if (!swept) return;
    see(task.life.retriesLeft > 0 ? 'lapsed with a retry' : 'lapsed without');
    await this.sweep();
  }

  private async overdue(task: ModelTask): Promise<void> {
    if (isOpen(task)) see('deadline-exceeded');
    await tasks.alter(this.idOf(task), `deadline = now() - interval '2 minutes'`);
    if (isOpen(task)) await tasks.overdue(this.idOf(task));
    await test.service.app.get(SweepService).sweep();
    await tasks.alter(this.idOf(task), `deadline = now() + interval '1 hour'`);
    this.world.overdue(task);
  }

  private async sweep(): Promise<void> {
    await test.service.app.get(SweepService).sweep();
    this.world.sweep();
  }

  private check({ kind }: Pick<Command, 'kind'>, { status, body }: Answer, { status: wanted, task, changed }: Expected): void {
    see(`${kind} ${wanted}`);
    expect([status, body.code]).toEqual([wanted, CODES[wanted]]);
    if (task) expect(shown(body.status)).toEqual(expected(task));
    if (changed) expect(body.taskIds.map((taskId: string) => this.byId(taskId).name).sort()).toEqual(changed.map(({ name }) => name));
  }

  /** All there is to be seen, over HTTP and in the rows behind it. */
  async compare(): Promise<void> {
    const [statuses, counts, groups] = await Promise.all([this.statuses(), this.counts(), this.groups(), this.inspectRows()]);
    const { tasks: known, groups: knownGroups } = this.world;
    expect({ statuses, counts, groups }).toEqual({
      statuses: Object.fromEntries(known.map((task) => [task.name, expected(task)])),
      counts: [0, 1].map((queue) => {
        const here = known.filter((task) => task.queue === queue);
        const pending = here.filter((task) => stateOf(task.life) === 'pending' && !task.late).length;
        return { pending, claimed: here.filter((task) => stateOf(task.life) === 'running').length };
      }),
      groups: knownGroups.map((group) => group ?? 'unknown'),
    });
  }

  private async statuses(): Promise<Record<string, Shown>> {
    const { statuses } = await ok(test.root.post('/queue/v1/tasks/status', { taskIds: [...this.ids.values()] }));
    return Object.fromEntries(statuses.map(({ taskId, status }: Answer['body']) => [this.byId(taskId).name, shown(status)]));
  }

  private counts(): Promise<object[]> {
    return Promise.all(
      this.queueIds.map(async (taskQueueId) => {
        const counts = await ok(test.root.get(`/queue/v1/task-queues/${encodeURIComponent(taskQueueId)}/counts`));
        return { pending: counts.pendingTasks, claimed: counts.claimedTasks };
      }),
    );
  }

  /** From their rows; over HTTP at the end of the world only. */
  private async groups(): Promise<object[]> {
    const { rows } = await test.database.pool.query(GROUPS, [this.groupIds]);
    return this.groupIds.map((taskGroupId) => rows.find((row) => row.task_group_id === taskGroupId)?.known ?? 'unknown');
  }

  /** What must hold in the rows, whatever has happened. */
  private async inspectRows(): Promise<void> {
    const { rows } = await test.database.pool.query(ROWS, [[...this.ids.values()]]);
    for (const { taskId, state, unsatisfied, due, edges } of rows) {
      const task = this.byId(taskId);
      const open: string[] = edges.filter(({ satisfied }: { satisfied: boolean }) => !satisfied);
      const others = task.waitsFor.filter((edge) => edge.task !== task && !edge.satisfied);
      const itself = task.waitsFor.filter((edge) => edge.task === task).length; // counts, but has an edge that never can be satisfied
      expect({ task: task.name, open: open.length, unsatisfied }).toEqual({
        task: task.name,
        open: others.length,
        unsatisfied: others.length + itself,
      });
      expect([task.name, due]).toEqual([task.name, isOpen(task)]); // a sweep will look at what has not ended, and at nothing else
      if ((state === 'pending' || state === 'running') && unsatisfied > 0) {
        expect([task.name, task.forced]).toEqual([task.name, true]);
        see('forced');
      }
      this.inspectEdges(task, edges);
    }
  }

  private inspectEdges(task: ModelTask, edges: { required: string; satisfied: boolean }[]): void {
    for (const { required, satisfied } of edges) {
      const edge = `${task.name} after ${this.byId(required).name}`;
      if (this.satisfied.has(edge) && !satisfied) throw new Error(`the satisfied dependency of ${edge} was undone`);
      if (!satisfied) continue;
      this.satisfied.add(edge);
      if (isOpen(this.byId(required)) && this.byId(required) !== task) see('satisfied for good');
    }
    if (this.world.tasks.filter(({ waitsFor }) => waitsFor.some((edge) => edge.task === task)).length > 1) see('fan-out');
  }

  async compareGroups(): Promise<void> {
    const answers = this.groupIds.map(async (taskGroupId) => {
      const { status, body } = await test.root.get(`/queue/v1/task-group/${taskGroupId}`);
      return status === 404 ? undefined : { scheduler: body.schedulerId, sealed: body.sealed !== undefined };
    });
    expect(await Promise.all(answers)).toEqual(this.world.groups);
  }

  /** The credentials of a run end with it; those of an exception may still upload what explains it. */
  async tryAllCredentials(): Promise<void> {
    const tries = [...this.leases].map(async ([key, { task, runId, credentials }]) => {
      const standing = this.world.standing(task, runId);
      const { status } = await test.root.as(credentials).get('/auth/v1/scopes/current');
      expect([key, standing, status]).toEqual([key, standing, { everything: 200, artifacts: 403, nothing: 401 }[standing]]);
      see(`credentials: ${standing}`);
    });
    await Promise.all(tries);
  }

  private as(task: ModelTask, runId: number, by: By): Tasks {
    const lease = this.leaseOf(task, runId, by);
    return lease ? new Tasks(test.root.as(lease.credentials), test.database) : tasks;
  }

  /** Credentials of a run are none for another one, whatever has become of either. */
  private unlessBarred(task: ModelTask, runId: number, by: By): Expected | undefined {
    const lease = by === 'past' && this.leaseOf(task, runId, by);
    if (!lease) return undefined;
    return { status: this.world.standing(task, lease.runId) === 'nothing' ? 401 : 403 };
  }

  private leaseOf(task: ModelTask, runId: number, by: By) {
    return by === 'root' ? undefined : this.leases.get(`${task.name}/${by === 'run' ? runId : runId - 1}`);
  }

  private taskOf(number: number): ModelTask | undefined {
    if (number < MOST_TASKS) return this.world.tasks[number];
    const running = this.world.tasks.filter((task) => stateOf(task.life) === 'running');
    return running[(number - MOST_TASKS) % running.length];
  }

  private idOf(task: ModelTask): string {
    return this.ids.get(task.name)!;
  }

  private byId(taskId: string): ModelTask {
    const task = this.world.tasks.find((one) => this.ids.get(one.name) === taskId);
    if (!task) throw new Error(`task ${taskId} is none of this world`);
    return task;
  }
}

const CODES: Record<number, string | undefined> = {
  401: 'AuthenticationFailed',
  403: 'InsufficientScopes',
  404: 'ResourceNotFound',
  409: 'RequestConflict',
};

const ROWS = `
select task_id as "taskId", state, unsatisfied, due is not null as due,
       coalesce((select json_agg(json_build_object('required', required_task_id, 'satisfied', satisfied))
                   from task_dependency where dependent_task_id = task_id), '[]') as edges
  from task
 where task_id = any ($1)`;

const GROUPS = `
select task_group_id, json_build_object('scheduler', scheduler_id, 'sealed', sealed is not null) as known
  from task_group
 where task_group_id = any ($1)`;

const named = (workerId: string) => ({ workerGroup: 'group', workerId });

function runIdOf(task: ModelTask, which: Which): number {
  return Math.max(0, latest(task) + { latest: 0, before: -1, none: 1 }[which]);
}

interface Shown {
  state: string;
  priority: string | undefined;
  retriesLeft: number;
  runs: object[];
}

/** Of a status, what the model knows: everything but the times, of which only that they are there. */
function shown({ state, priority, retriesLeft, runs }: Answer['body']): Shown {
  const there = ({ scheduled, takenUntil, started, resolved, ...run }: Record<string, unknown>) => ({
    ...run,
    times: Object.entries({ scheduled, takenUntil, started, resolved })
      .filter(([, time]) => time !== undefined)
      .map(([name]) => name),
  });
  return { state, priority, retriesLeft, runs: runs.map(there) };
}

/** What a run tells of the signature that its worker refused (Tasks.report). */
const FOUND: Record<string, object> = {
  'signature-missing': { signature: { verdict: 'failed', code: 'signature-missing' } },
  'signature-invalid': { signature: { verdict: 'failed', code: 'signature-expired' } },
};

function expected({ life, rank, holders }: ModelTask): Shown {
  const runs = life.runs.map((run, runId) => {
    const holder = holders[runId];
    return {
      runId,
      ...run,
      ...(holder ? named(holder) : {}),
      ...(FOUND[run.reasonResolved ?? ''] ?? {}),
      times: ['scheduled', ...(holder ? ['takenUntil', 'started'] : []), ...(run.reasonResolved ? ['resolved'] : [])],
    };
  });
  return { state: stateOf(life), priority: PRIORITIES[rank], retriesLeft: life.retriesLeft, runs };
}
