import { type Life, MOST_RUNS, next, type ReasonResolved, stateOf } from '../../src/service/queue/run-state.js';

export const WORKERS = ['one', 'two'] as const;
export const MOST_TASKS = 6;

/** A task as it should be: its life by the table of the state machine, and around it what that table does not know. */
export interface ModelTask {
  name: string;
  group: number;
  queue: number;
  rank: number;
  life: Life;
  /** Per run, who claimed it. */
  holders: (string | undefined)[];
  fence: number;
  /** Since which happening it is pending. */
  since: number;
  /** Its lease is over, but no sweep has seen it. */
  lapsed: boolean;
  /** Its deadline is over, the delay after it is not. */
  late: boolean;
  /** Somebody scheduled or reran it, whatever it waits for. */
  forced: boolean;
  anyOutcome: boolean;
  waitsFor: { task: ModelTask; satisfied: boolean }[];
}

export interface Wish {
  group: number;
  queue: number;
  rank: number;
  scheduler: string;
  retries: number;
  /** Tasks by their number. */
  on: number[];
  self: boolean;
  anyOutcome: boolean;
}

/** What a request is to be answered: the status alone, or with the tasks it names or changed. */
export interface Expected {
  status: number;
  task?: ModelTask;
  changed?: ModelTask[];
}

const CONFLICT: Expected = { status: 409 };
const MISSING: Expected = { status: 404 };

/** A few tasks, groups, queues and workers as they should be. It knows nothing of the service; it is told what happens, in order. */
export class World {
  readonly tasks: ModelTask[] = [];
  readonly groups: ({ scheduler: string; sealed: boolean } | undefined)[] = [undefined, undefined];
  /** How many tasks became pending because nothing was left that they waited for. */
  unblocked = 0;
  private readonly quarantined = new Set<string>();
  private clock = 0;

  tick(): void {
    this.clock++;
  }

  create(wish: Wish): Expected {
    const { group, queue, rank, scheduler, retries, anyOutcome } = wish;
    this.groups[group] ??= { scheduler, sealed: false };
    if (this.groups[group].sealed || this.groups[group].scheduler !== scheduler) return CONFLICT;
    const life: Life = { runs: [], retries, retriesLeft: retries };
    const fresh = { holders: [], fence: 0, since: 0, lapsed: false, late: false, forced: false, waitsFor: [] };
    const task: ModelTask = { name: 'abcdef'[this.tasks.length] ?? '?', group, queue, rank, life, anyOutcome, ...fresh };
    task.waitsFor = this.required(wish).map((one) => ({ task: one, satisfied: satisfies(one, anyOutcome) }));
    if (wish.self) task.waitsFor.push({ task, satisfied: false });
    this.tasks.push(task);
    if (task.waitsFor.length === 0) this.become(task, next(life, { kind: 'schedule' })!);
    this.unblock();
    return { status: 200, task };
  }

  required({ on }: Wish): ModelTask[] {
    return on.map((index) => this.tasks[index]).filter((one) => one !== undefined);
  }

  /** The definition of a task again: as it was, or another one under its id. */
  createAgain(task: ModelTask, differently: boolean): Expected {
    return differently || this.groups[task.group]!.sealed ? CONFLICT : { status: 200, task };
  }

  steer(kind: 'schedule' | 'cancel' | 'rerun', task: ModelTask): Expected {
    task.forced ||= kind !== 'cancel' && !task.late;
    return this.answer(task, task.late ? undefined : next(task.life, { kind }));
  }

  changePriority(task: ModelTask, rank: number): Expected {
    if (task.late || !isOpen(task)) return CONFLICT;
    task.rank = rank;
    return { status: 200, task };
  }

  /** What a claimWork is to be given: these, up to as many as it asks for; those of one place in any order. */
  claimable(queue: number, worker: string): ModelTask[] {
    if (this.isQuarantined(queue, worker)) return [];
    const pending = this.tasks.filter((task) => task.queue === queue && stateOf(task.life) === 'pending' && !task.late);
    return pending.sort((one, other) => one.rank - other.rank || one.since - other.since);
  }

  claimed(task: ModelTask, worker: string): void {
    this.become(task, next(task.life, { kind: 'claim' })!);
    task.fence++;
    task.holders[latest(task)] = worker;
  }

  claimTask(task: ModelTask, runId: number, worker: string): Expected {
    if (this.isQuarantined(task.queue, worker)) return CONFLICT;
    if (runId > latest(task)) return MISSING;
    if (task.late || runId < latest(task)) return CONFLICT;
    const again = stateOf(task.life) === 'running' && task.holders[runId] === worker && !task.lapsed;
    if (again) return { status: 200, task };
    if (!next(task.life, { kind: 'claim' })) return CONFLICT;
    this.claimed(task, worker);
    return { status: 200, task };
  }

  reclaim(task: ModelTask, runId: number): Expected {
    if (runId > latest(task)) return MISSING;
    if (task.late || task.lapsed || runId < latest(task)) return CONFLICT;
    return this.answer(task, next(task.life, { kind: 'reclaim' }));
  }

  report(task: ModelTask, runId: number, outcome: ReasonResolved): Expected {
    const state = outcome === 'completed' || outcome === 'failed' ? outcome : 'exception';
    const run = task.life.runs[runId];
    if (!run) return MISSING;
    if (run.state === state && run.reasonResolved === outcome) return { status: 200, task };
    if (task.lapsed || runId < latest(task)) return CONFLICT;
    return this.answer(task, next(task.life, { kind: 'resolve', state, reason: outcome }));
  }

  /** What the credentials lent for a run are still good for. */
  standing(task: ModelTask, runId: number): 'everything' | 'artifacts' | 'nothing' {
    const state = task.life.runs[runId]?.state;
    if (state === 'running') return task.lapsed ? 'nothing' : 'everything';
    return state === 'exception' ? 'artifacts' : 'nothing';
  }

  quarantine(queue: number, worker: string, held: boolean): void {
    if (held) this.quarantined.add(`${queue}/${worker}`);
    else this.quarantined.delete(`${queue}/${worker}`);
  }

  isQuarantined(queue: number, worker: string): boolean {
    return this.quarantined.has(`${queue}/${worker}`);
  }

  seal(group: number): Expected {
    const known = this.groups[group];
    if (!known) return MISSING;
    known.sealed = true;
    return { status: 200 };
  }

  cancelGroup(group: number): Expected {
    const known = this.groups[group];
    if (!known?.sealed) return known ? CONFLICT : MISSING;
    const changed = this.steerable(group);
    for (const task of changed) this.become(task, next(task.life, { kind: 'cancel' })!);
    this.unblock();
    return { status: 200, changed };
  }

  changeGroupPriority(group: number, rank: number): Expected {
    if (!this.groups[group]) return MISSING;
    const changed = this.steerable(group).filter((task) => task.rank !== rank);
    for (const task of changed) task.rank = rank;
    return { status: 200, changed };
  }

  sweep(): void {
    for (const task of this.tasks) if (task.lapsed && !task.late) this.become(task, next(task.life, { kind: 'lapse' })!);
    this.unblock();
  }

  /** The deadline and its delay are over, and are swept; then the deadline is ahead again, so that more can happen. */
  overdue(task: ModelTask): void {
    this.become(task, next(task.life, { kind: 'overdue' })!);
    task.late = false;
    this.sweep();
  }

  private steerable(group: number): ModelTask[] {
    return this.tasks.filter((task) => task.group === group && isOpen(task) && !task.late);
  }

  private answer(task: ModelTask, after: Life | undefined): Expected {
    if (!after) return CONFLICT;
    this.become(task, after);
    this.unblock();
    return { status: 200, task };
  }

  private become(task: ModelTask, after: Life): void {
    if (after.runs.length > task.life.runs.length) task.since = this.clock;
    task.life = after;
    task.lapsed &&= stateOf(after) === 'running';
  }

  /** What tasks that ended mean to those that wait for them. Once satisfied, a dependency stays so; one on oneself never is. */
  private unblock(): void {
    for (const task of this.tasks.filter(({ waitsFor }) => waitsFor.length > 0)) {
      for (const edge of task.waitsFor) edge.satisfied ||= edge.task !== task && satisfies(edge.task, task.anyOutcome);
      const ready = stateOf(task.life) === 'unscheduled' && task.waitsFor.every(({ satisfied }) => satisfied);
      if (!ready) continue;
      this.become(task, next(task.life, { kind: 'schedule' })!);
      this.unblocked++;
    }
  }
}

export function isOpen({ life }: ModelTask): boolean {
  return ['unscheduled', 'pending', 'running'].includes(stateOf(life));
}

/** The number of the latest run; -1 before there is one. */
export function latest({ life }: ModelTask): number {
  return life.runs.length - 1;
}

export function isWornOut({ life }: ModelTask): boolean {
  return life.runs.length === MOST_RUNS;
}

function satisfies({ life }: ModelTask, anyOutcome: boolean): boolean {
  const state = stateOf(life);
  return state === 'completed' || (anyOutcome && (state === 'failed' || state === 'exception'));
}
