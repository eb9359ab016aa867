import fc from 'fast-check';
import { type Happening, type Life, next, type ReasonResolved, stateOf, WORKER_REASONS } from '../src/service/queue/run-state.js';
import { SweepService } from '../src/service/queue/sweep.service.js';
import { type Answer, definition, slugid } from './support/api.js';
import { Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';

/*
 * Random sequences of everything that can happen to a few tasks, some of which wait for one another, against the API and the
 * database; after each command every task must be as the pure table says. FC_SEED repeats a run, FC_RUNS makes it longer.
 */
const SEED = process.env.FC_SEED ? { seed: Number(process.env.FC_SEED) } : {};
const RUNS = Number(process.env.FC_RUNS ?? 150);
const COMMANDS = 28;
const MOST_TASKS = 3;
const WORKERS = [
  { workerGroup: 'group', workerId: 'one' },
  { workerGroup: 'group', workerId: 'two' },
];
const OUTCOMES = ['completed', 'failed', ...WORKER_REASONS] as const;

let test: TestService;
let tasks: Tasks;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
  tasks = new Tasks(test.root, test.database);
});
afterAll(() => test.close());

/** A task as it should be: its life by the table, and around it what the table does not know. */
interface ModelTask {
  taskId: string;
  life: Life;
  /** Per run, who claimed it. */
  holders: (string | undefined)[];
  fence: number;
  pastDeadline: boolean;
  waitsFor: { task: ModelTask; satisfied: boolean }[];
  anyOutcome: boolean;
}

type Which = 'latest' | 'before' | 'none';
type Command =
  | { kind: 'create'; retries: number; self: boolean; on: number[]; anyOutcome: boolean }
  | { kind: 'schedule' | 'cancel' | 'rerun' | 'lapse' | 'overdue' | 'pastDeadline'; task: number }
  | { kind: 'claimWork'; count: number; worker: number }
  | { kind: 'claimTask'; task: number; run: Which; worker: number }
  | { kind: 'reclaim'; task: number; run: Which }
  | { kind: 'report'; task: number; run: Which; outcome: (typeof OUTCOMES)[number] };

const task = fc.nat(MOST_TASKS - 1);
const run = fc.oneof({ weight: 8, arbitrary: fc.constant('latest' as const) }, fc.constantFrom('before' as const, 'none' as const));
const worker = fc.nat(WORKERS.length - 1);
const create = fc.record({
  kind: fc.constant('create' as const),
  retries: fc.constantFrom(0, 1, 2, 49),
  self: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
  on: fc.uniqueArray(task, { maxLength: 2 }),
  anyOutcome: fc.boolean(),
});
const simple = (kind: 'schedule' | 'cancel' | 'rerun' | 'lapse' | 'overdue' | 'pastDeadline') =>
  fc.record({ kind: fc.constant(kind), task });
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 2, arbitrary: create },
  { weight: 2, arbitrary: simple('schedule') },
  { weight: 1, arbitrary: simple('cancel') },
  { weight: 4, arbitrary: simple('rerun') },
  { weight: 3, arbitrary: simple('lapse') },
  { weight: 1, arbitrary: simple('overdue') },
  { weight: 1, arbitrary: simple('pastDeadline') },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('claimWork' as const), count: fc.integer({ min: 1, max: 3 }), worker }) },
  { weight: 7, arbitrary: fc.record({ kind: fc.constant('claimTask' as const), task, run, worker }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reclaim' as const), task, run }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('report' as const), task, run, outcome: fc.constantFrom(...OUTCOMES) }) },
);
/** Always long, for the start matters least; a counterexample shrinks by commands turning into nothing. */
const sequence = fc
  .tuple(create, fc.array(fc.option(command, { freq: 30 }), { minLength: COMMANDS, maxLength: COMMANDS }))
  .map(([first, rest]) => [first, ...rest]);

it('the API and the database are the machine of the table', async () => {
  let done = 0;
  let refusals = 0;
  const property = fc.asyncProperty(sequence, async (commands) => {
    const world = new World();
    for (const one of commands.filter((one) => one !== null)) {
      await world.perform(one);
      await world.compare();
    }
    done += commands.length;
    refusals += world.refusals;
  });
  await fc.assert(property, { numRuns: RUNS, ...SEED });
  expect(done).toBeGreaterThan(RUNS * 25);
  expect(refusals / done).toBeGreaterThan(0.05); // it also went where it must not
  expect(refusals / done).toBeLessThan(0.7);
}, 120_000);

class World {
  readonly known: ModelTask[] = [];
  readonly taskQueueId = `model/${`q${slugid()}`.toLowerCase().replace(/[-_]/g, 'x')}`;
  refusals = 0;

  async perform(command: Command): Promise<void> {
    if (command.kind === 'create') return this.create(command);
    if (command.kind === 'claimWork') return this.claimWork(command);
    const task = this.known[command.task];
    if (!task) return;
    switch (command.kind) {
      case 'schedule':
      case 'cancel':
      case 'rerun':
        return this.expect(await tasks.steer(command.kind, task.taskId), task, task.pastDeadline ? undefined : { kind: command.kind });
      case 'lapse':
        return this.lapse(task);
      case 'overdue':
        return this.overdue(task);
      case 'pastDeadline':
        return this.movePastDeadline(task);
      case 'claimTask':
        return this.claimTask(task, command.run, WORKERS[command.worker]!);
      case 'reclaim':
        return this.onRun(await tasks.reclaim(task.taskId, runIdOf(task, command.run)), task, command.run, () =>
          task.pastDeadline || isPast(task, runIdOf(task, command.run)) ? undefined : next(task.life, { kind: 'reclaim' }),
        );
      case 'report':
        return this.report(task, command.run, command.outcome);
    }
  }

  /** Every task's status is what it should be, in full. */
  async compare(): Promise<void> {
    const actual = await Promise.all(this.known.map(({ taskId }) => tasks.status(taskId)));
    expect(actual.map(shown)).toEqual(this.known.map(expected));
  }

  private async create({ retries, self, on, anyOutcome }: Command & { kind: 'create' }): Promise<void> {
    if (this.known.length === MOST_TASKS) return;
    const taskId = slugid();
    const life: Life = { runs: [], retries, retriesLeft: retries };
    const task: ModelTask = { taskId, life, holders: [], fence: 0, pastDeadline: false, waitsFor: [], anyOutcome };
    const required = on.map((index) => this.known[index]).filter((one) => one !== undefined);
    task.waitsFor = required.map((one) => ({ task: one, satisfied: satisfies(one, anyOutcome) }));
    if (self) task.waitsFor.push({ task, satisfied: false });
    const dependencies = task.waitsFor.map((edge) => edge.task.taskId);
    const requires = anyOutcome ? 'all-resolved' : 'all-completed';
    this.known.push(task);
    const { taskQueueId } = this;
    const answer = await tasks.put(taskId, definition({ taskQueueId, retries, dependencies, requires }));
    expect(answer.status).toBe(200);
    this.unblock();
  }

  private async claimWork({ count, worker }: Command & { kind: 'claimWork' }): Promise<void> {
    const claimable = this.known.filter((task) => stateOf(task.life) === 'pending' && !task.pastDeadline);
    const { status, body } = await tasks.claimWork(this.taskQueueId, count, WORKERS[worker]);
    expect(status).toBe(200);
    expect(body.tasks).toHaveLength(Math.min(count, claimable.length));
    for (const claim of body.tasks) {
      const task = claimable.find(({ taskId }) => taskId === claim.status.taskId);
      if (!task) throw new Error(`leased ${claim.status.taskId}, which is not claimable`);
      this.claimed(task, claim, WORKERS[worker]!);
    }
  }

  private async claimTask(task: ModelTask, which: Which, by: (typeof WORKERS)[number]): Promise<void> {
    const runId = runIdOf(task, which);
    const answer = await tasks.claimTask(task.taskId, runId, by);
    const holds = !isPast(task, runId) && stateOf(task.life) === 'running' && task.holders[runId] === by.workerId && !task.pastDeadline;
    if (holds) {
      expect([answer.status, answer.body.fence]).toEqual([200, task.fence]);
      return;
    }
    const after = task.pastDeadline ? undefined : next(task.life, { kind: 'claim' });
    if (missing(task, runId) || isPast(task, runId) || !after) return this.refused(answer, missing(task, runId) ? 404 : 409);
    expect(answer.status).toBe(200);
    this.claimed(task, answer.body, by);
  }

  private claimed(task: ModelTask, claim: Answer['body'], by: (typeof WORKERS)[number]): void {
    const after = next(task.life, { kind: 'claim' });
    if (!after) throw new Error(`leased ${task.taskId}, which is ${stateOf(task.life)}`);
    task.life = after;
    task.fence++;
    task.holders[after.runs.length - 1] = by.workerId;
    expect([claim.fence, claim.runId, claim.workerId]).toEqual([task.fence, after.runs.length - 1, by.workerId]);
    expect(shown(claim.status)).toEqual(expected(task));
  }

  private async report(task: ModelTask, which: Which, outcome: (typeof OUTCOMES)[number]): Promise<void> {
    const state = outcome === 'completed' || outcome === 'failed' ? outcome : 'exception';
    const runId = runIdOf(task, which);
    const answer = await tasks.report(outcome, task.taskId, runId);
    this.onRun(answer, task, which, () => {
      const past = isPast(task, runId) ? task.life.runs[runId] : undefined;
      if (past) return past.state === state && past.reasonResolved === outcome ? task.life : undefined;
      return next(task.life, { kind: 'resolve', state, reason: outcome });
    });
  }

  /** The lease runs out; past the deadline that waits for the deadline to be swept. */
  private async lapse(task: ModelTask): Promise<void> {
    if (stateOf(task.life) !== 'running' || task.pastDeadline) return;
    await tasks.lapse(task.taskId);
    await sweep();
    this.become(task, { kind: 'lapse' });
  }

  /** The deadline and its delay pass and are swept; then, so that more can happen, the deadline is ahead again. */
  private async overdue(task: ModelTask): Promise<void> {
    const open = ['unscheduled', 'pending', 'running'].includes(stateOf(task.life));
    await tasks.alter(task.taskId, `deadline = now() - interval '2 minutes'${open ? `, due = now() - interval '1 minute'` : ''}`);
    await sweep();
    await tasks.alter(task.taskId, `deadline = now() + interval '1 hour'`);
    task.pastDeadline = false;
    this.become(task, { kind: 'overdue' });
  }

  private async movePastDeadline(task: ModelTask): Promise<void> {
    await tasks.pastDeadline(task.taskId);
    await sweep();
    task.pastDeadline = true;
  }

  private onRun(answer: Answer, task: ModelTask, which: Which, after: () => Life | undefined): void {
    const runId = runIdOf(task, which);
    const life = missing(task, runId) ? undefined : after();
    if (!life || (isPast(task, runId) && life !== task.life)) {
      this.refused(answer, missing(task, runId) ? 404 : 409);
      return;
    }
    expect([answer.status, answer.body.message]).toEqual([200, undefined]);
    task.life = life;
    this.unblock();
    expect(shown(answer.body.status)).toEqual(expected(task));
  }

  private expect(answer: Answer, task: ModelTask, happening: Happening | undefined): void {
    const after = happening && next(task.life, happening);
    if (!after) {
      this.refused(answer, 409);
      return;
    }
    expect([answer.status, answer.body.message]).toEqual([200, undefined]);
    task.life = after;
    this.unblock();
    expect(shown(answer.body.status)).toEqual(expected(task));
  }

  private become(task: ModelTask, happening: Happening): void {
    const after = next(task.life, happening);
    if (!after) throw new Error(`the table refuses ${happening.kind}`);
    task.life = after;
    this.unblock();
  }

  private refused({ status, body }: Answer, expected: number): void {
    this.refusals++;
    expect([status, body.code]).toEqual([expected, expected === 404 ? 'ResourceNotFound' : 'RequestConflict']);
  }

  /** What tasks that ended mean to those that wait for them; once satisfied, a dependency stays so. */
  private unblock(): void {
    for (const task of this.known) {
      if (task.waitsFor.length === 0 && task.life.runs.length === 0) task.life = next(task.life, { kind: 'schedule' })!;
      if (task.waitsFor.length === 0) continue;
      for (const edge of task.waitsFor) edge.satisfied ||= edge.task !== task && satisfies(edge.task, task.anyOutcome);
      if (stateOf(task.life) === 'unscheduled' && task.waitsFor.every(({ satisfied }) => satisfied)) {
        task.life = next(task.life, { kind: 'schedule' })!;
      }
    }
  }
}

const sweep = () => test.service.app.get(SweepService).sweep();

function runIdOf({ life }: ModelTask, which: Which): number {
  const latest = life.runs.length - 1;
  return Math.max(0, which === 'latest' ? latest : which === 'before' ? latest - 1 : latest + 1);
}

function missing({ life }: ModelTask, runId: number): boolean {
  return runId >= life.runs.length;
}

function isPast({ life }: ModelTask, runId: number): boolean {
  return runId < life.runs.length - 1;
}

function satisfies({ life }: ModelTask, anyOutcome: boolean): boolean {
  const state = stateOf(life);
  return state === 'completed' || (anyOutcome && (state === 'failed' || state === 'exception'));
}

interface Shown {
  state: string;
  retriesLeft: number;
  runs: object[];
}

/** Of a status, what the model knows: everything but the times, of which only that they are there. */
function shown({ state, retriesLeft, runs }: Answer['body']): Shown {
  const there = ({ scheduled, takenUntil, started, resolved, ...run }: Record<string, unknown>) => ({
    ...run,
    times: Object.entries({ scheduled, takenUntil, started, resolved })
      .filter(([, time]) => time !== undefined)
      .map(([name]) => name),
  });
  return { state, retriesLeft, runs: runs.map(there) };
}

function expected({ life, holders }: ModelTask): Shown {
  const runs = life.runs.map((run, runId) => {
    const holder = holders[runId];
    const resolved: ReasonResolved | undefined = run.reasonResolved;
    return {
      runId,
      ...run,
      ...(holder ? { workerGroup: 'group', workerId: holder } : {}),
      times: ['scheduled', ...(holder ? ['takenUntil', 'started'] : []), ...(resolved ? ['resolved'] : [])],
    };
  });
  return { state: stateOf(life), retriesLeft: life.retriesLeft, runs };
}
