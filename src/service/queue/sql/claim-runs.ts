import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import type { StoredDefinition } from '../task-definition.js';
import { MOST_BYTES } from './definition-columns.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

export interface ClaimedRow extends TaskRow {
  /** Which of the requests this run is for: its place in the arrays, from 1. */
  request: number;
  definition: StoredDefinition;
  scopes: string[];
  /** Whether runs that were asked for had to wait, because their definitions were too much for one answer. */
  more?: boolean;
}

/**
 * Leases pending runs of one queue to several workers that ask at once: each request gets up to its number, in order.
 * What would make the answer too large stays pending: 128 definitions of 1 MiB, parsed, are more than a heap holds.
 * `materialized` keeps the planner from running the locking pick again per row, which would lease more than was asked.
 * `task.run_id = claimable.run_id` leaves a run that became pending after this statement's snapshot, which does not have its past
 * runs, to the next one.
 * $1 task_queue_id, $2 worker groups, $3 worker ids, $4 numbers wanted, $5 their sum, $6 lease in seconds,
 * $7 deadline delay in seconds, $8 claim keys
 */
export const claimRuns = statement<ClaimedRow>(
  'claim-runs',
  `
with slot as materialized (
  select row_number() over (order by request, nth) as slot, request, worker_group, worker_id, claim_key
    from unnest($2::text[], $3::text[], $4::integer[], $8::bytea[])
         with ordinality as asked (worker_group, worker_id, wanted, claim_key, request),
         generate_series(1, wanted) as nth
), picked as materialized (
  select task_id, rank, scheduled, run_id
    from task
   where task_queue_id = $1 and state = 'pending' and deadline > now()
   order by rank, scheduled, task_id
   limit $5
     for update skip locked
), weighed as materialized (
  select picked.task_id, picked.run_id, row_number() over line as slot, sum(stored.size) over line as bytes
    from picked,
         lateral (select size from task_definition where task_definition.task_id = picked.task_id limit 1) as stored
  window line as (order by picked.rank, picked.scheduled, picked.task_id rows unbounded preceding)
), claimable as (
  select task_id, run_id, slot from weighed where slot = 1 or bytes <= ${MOST_BYTES}
), task as (
  update task
     set state = 'running', worker_group = slot.worker_group, worker_id = slot.worker_id, started = greatest(now(), task.scheduled), fence = task.fence + 1,
         taken_until = now() + make_interval(secs => $6),
         due = least(now() + make_interval(secs => $6), task.deadline + make_interval(secs => $7)),
         claim_key = slot.claim_key
    from claimable join slot using (slot)
   where task.task_id = claimable.task_id and task.run_id = claimable.run_id
  returning task.*, slot.slot, slot.request
), recorded as (
  ${recordEvent('task')}
)
select ${TASK_COLUMNS}, task.request::integer, task_definition.definition, task_definition.scopes,
       (select count(*) from weighed) > (select count(*) from claimable) as more
  from task join task_definition using (task_id)
 order by task.slot`,
);
