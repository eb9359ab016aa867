/**
 * How statements write events (table `event`): as one more `with` query, so that change and event stand or fall together.
 * An event of a task is the task's row as the change left it.
 */
const IMAGE = [
  'task_id',
  'task_queue_id',
  'task_group_id',
  'scheduler_id',
  'project_id',
  'rank',
  'retries_left',
  'deadline',
  'expires',
  'fence',
  'state',
  'run_id',
  'reason_created',
  'scheduled',
  'started',
  'worker_group',
  'worker_id',
  'taken_until',
  'resolved',
  'reason_resolved',
] as const;

/** The kind that a task's state names: task-pending, task-running, task-completed, task-failed, task-exception. */
const KIND_BY_STATE = `'task-' || state`;

/** The columns of an event, for its `insert into event (…)`. */
export const EVENT_COLUMNS = `kind, detail, ${IMAGE.join(', ')}`;

interface EventOptions {
  /** An SQL expression; absent: by the state of the task. */
  kind?: string;
  /** An SQL expression of a json value. */
  detail?: string;
  /** Columns that differ in the event from what the relation has, as SQL expressions. */
  instead?: Partial<Record<(typeof IMAGE)[number], string>>;
}

/** Text that selects EVENT_COLUMNS out of a relation with the columns of `task`. All arguments are texts of ours, never input. */
export function eventOf(relation: string, { kind = KIND_BY_STATE, detail = 'null::json', instead = {} }: EventOptions = {}): string {
  return `select ${kind}, ${detail}, ${IMAGE.map((column) => instead[column] ?? column).join(', ')} from ${relation}`;
}

/** Text of a `with` query that writes an event for each row of a relation with the columns of `task`. */
export function recordEvent(relation: string, options: EventOptions = {}): string {
  return `insert into event (${EVENT_COLUMNS}) ${eventOf(relation, options)}`;
}
