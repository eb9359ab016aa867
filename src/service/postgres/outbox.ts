/**
 * How statements write events (table `event`): as one more `with` query, so that change and event stand or fall together.
 * An event of a task is the task's row as the change left it. All arguments are texts of ours, never input.
 */
const IMAGE = `task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries_left, deadline, expires, fence,
         state, run_id, reason_created, scheduled, started, worker_group, worker_id, taken_until, resolved, reason_resolved,
         signature, run_signature`;

/**
 * An SQL expression: below this tx, no transaction can write an event any more that was not seen. It is the oldest one under way, but
 * those of other databases of the same server do not count: they cannot write here, and may take hours. Only one that is known to
 * be elsewhere is passed over; one that has just ended and is not seen yet is not, so it may be lower than it was a moment ago.
 */
export const EVENT_HORIZON = `coalesce(
  (select xid from pg_snapshot_xip(pg_current_snapshot()) as under_way (xid)
    where not exists (select from pg_locks join pg_stat_activity using (pid)
                       where locktype = 'transactionid' and mode = 'ExclusiveLock' and granted and transactionid = under_way.xid::xid
                         and datid <> (select oid from pg_database where datname = current_database()))
    order by xid
    limit 1),
  pg_snapshot_xmax(pg_current_snapshot()))`;

interface EventOptions {
  /** An SQL expression; absent, the state of the task says it: task-pending, -running, -completed, -failed, -exception. */
  kind?: string;
  /** An SQL expression of a json object, for what the task's row does not say; `runId` where the event is of an earlier run. */
  detail?: string;
}

/**
 * Text of a `with` query that writes an event for each row of a relation with the columns of `task`; the relation may bring a
 * `where` along.
 */
export function recordEvent(relation: string, { kind = `'task-' || state`, detail = 'null::json' }: EventOptions = {}): string {
  return `insert into event (kind, detail, ${IMAGE}) select ${kind}, ${detail}, ${IMAGE} from ${relation}`;
}

/**
 * Text of two `with` queries for a relation called `task`: an event of each row, and then, for what is pending, that it is. The second
 * reads the first to its end, so that it comes after it: Postgres promises no order otherwise.
 */
export function recordEventThenPending(options: EventOptions): string {
  return `first_event as (
  ${recordEvent('task', options)}
  returning tx
), recorded as (
  ${recordEvent(`task where state = 'pending' and (select count(*) from first_event) > 0`)}
)`;
}

/** The same for a relation with the columns of `task_group`. `kind` and `detail` are SQL expressions. */
export function recordGroupEvent(relation: string, kind: string, detail: string): string {
  return `insert into event (kind, detail, task_group_id, scheduler_id) select ${kind}, ${detail}, task_group_id, scheduler_id from ${relation}`;
}
