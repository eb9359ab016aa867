export const TASK_STATES = ['unscheduled', 'pending', 'running', 'completed', 'failed', 'exception'] as const;
export const RUN_STATES = ['pending', 'running', 'completed', 'failed', 'exception'] as const;
export const REASONS_CREATED = ['scheduled', 'retry', 'task-retry', 'rerun', 'exception'] as const;
/** The reasons for an exception that a worker may give. */
export const WORKER_REASONS = [
  'worker-shutdown',
  'malformed-payload',
  'resource-unavailable',
  'internal-error',
  'intermittent-task',
  'signature-missing',
  'signature-invalid',
] as const;
export const REASONS_RESOLVED = [
  'completed',
  'failed',
  'deadline-exceeded',
  'canceled',
  'claim-expired',
  'superseded',
  ...WORKER_REASONS,
] as const;

export type TaskState = (typeof TASK_STATES)[number];
export type RunState = (typeof RUN_STATES)[number];
export type ReasonCreated = (typeof REASONS_CREATED)[number];
export type ReasonResolved = (typeof REASONS_RESOLVED)[number];
export type WorkerReason = (typeof WORKER_REASONS)[number];

/** Runs of a task, all in all. */
export const MOST_RUNS = 50;

/**
 * The reasons after which a task is tried again, while a retry is left, and why the next run then was created. signature-invalid is one, too,
 * where all that is wrong is that the worker does not know the key (ResolveRunService).
 */
export const RETRIED: Partial<Record<ReasonResolved, ReasonCreated>> = {
  'claim-expired': 'retry',
  'worker-shutdown': 'retry',
  'intermittent-task': 'task-retry',
};

/** A task as the state machine sees it. */
export interface Life {
  runs: { state: RunState; reasonCreated: ReasonCreated; reasonResolved?: ReasonResolved }[];
  retries: number;
  retriesLeft: number;
}

/** What can happen to a task. `resolve` names the run's new state and reason; `lapse` is a lease that ran out. */
export type Happening =
  | { kind: 'schedule' | 'claim' | 'reclaim' | 'cancel' | 'rerun' | 'lapse' | 'overdue' }
  | { kind: 'resolve'; state: 'completed' | 'failed' | 'exception'; reason: ReasonResolved };

export function stateOf({ runs }: Life): TaskState {
  return runs.at(-1)?.state ?? 'unscheduled';
}

/**
 * The state machine as a table. The SQL statements are the same machine by other means; a test drives both and compares.
 * Answers the task's next life, the same one where nothing changes, or undefined where the request is refused (409).
 */
export function next(life: Life, happening: Happening): Life | undefined {
  const state = stateOf(life);
  switch (happening.kind) {
    case 'schedule':
      return state === 'unscheduled' ? appended(life, 'scheduled') : life;
    case 'claim':
      return state === 'pending' ? changed(life, 'running') : undefined;
    case 'reclaim':
      return state === 'running' ? life : undefined;
    case 'resolve':
      return resolved(life, state, happening.state, happening.reason);
    case 'lapse':
      return state === 'running' ? ended(life, 'claim-expired') : life;
    case 'cancel':
      return isOpen(state) ? stopped(life, 'canceled') : life;
    case 'overdue':
      return isOpen(state) ? stopped(life, 'deadline-exceeded') : life;
    case 'rerun':
      return rerun(life, state);
  }
}

function isOpen(state: TaskState): boolean {
  return state === 'unscheduled' || state === 'pending' || state === 'running';
}

function appended(life: Life, reasonCreated: ReasonCreated): Life {
  return { ...life, runs: [...life.runs, { state: 'pending', reasonCreated }] };
}

function changed(life: Life, state: RunState, reasonResolved?: ReasonResolved): Life {
  const runs = life.runs.map((run, index) =>
    index === life.runs.length - 1 ? { ...run, state, ...(reasonResolved ? { reasonResolved } : {}) } : run,
  );
  return { ...life, runs };
}

/** Ends the running run as an exception; tries again if that reason is retried and a retry is left. */
function ended(life: Life, reason: ReasonResolved): Life {
  const over = changed(life, 'exception', reason);
  const again = RETRIED[reason];
  return again && life.retriesLeft > 0 ? { ...appended(over, again), retriesLeft: life.retriesLeft - 1 } : over;
}

function resolved(life: Life, state: TaskState, to: RunState, reason: ReasonResolved): Life | undefined {
  if (state === 'running') return to === 'exception' ? ended(life, reason) : changed(life, to, reason);
  const last = life.runs.at(-1);
  return last?.state === to && last.reasonResolved === reason ? life : undefined;
}

/** Ends an open task from outside; one without runs gets a run that says so. */
function stopped(life: Life, reason: ReasonResolved): Life {
  const last = life.runs.length > 0 ? life : { ...life, runs: [{ state: 'exception' as const, reasonCreated: 'exception' as const }] };
  return changed(last, 'exception', reason);
}

function rerun(life: Life, state: TaskState): Life | undefined {
  if (state === 'pending' || state === 'running') return life;
  if (life.runs.length >= MOST_RUNS) return undefined;
  const again = appended(life, 'rerun');
  return { ...again, retriesLeft: Math.min(life.retries, MOST_RUNS - again.runs.length) };
}
