import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { MOST_BYTES } from './definition-columns.js';
import { CREATION, FIRST_GRANT_COLUMNS, type GrantRow } from './grant-columns.js';
import { recordLent } from './lent-columns.js';
import { TASK_COLUMNS, type TaskRow } from './task-columns.js';

export interface ClaimedRow extends TaskRow, GrantRow {
  /** As it was stored: JSON. */
  definition: string;
  /** As it was created; null: it is not signed. */
  jws: string | null;
}

export interface LeasedRow extends ClaimedRow {
  /** Which of the places asked for this run has got, from 0. */
  place: number;
  /** How many runs were looked at. Where there are fewer rows, the rest had to wait: their definitions are too much for one answer. */
  picked: number;
}

/** More than one statement is ever asked for: a constant, so that the plan does not depend on how many are. */
const MOST_PLACES = 256;

/**
 * Leases pending runs of one queue to several workers that ask at once: the first in the queue's order gets the first place.
 * Each rank is one range of the index, and is read from a mark on: what lies before it was handed out, but while any old snapshot is
 * open its dead entries stay, and every claim would walk over all of them (1 826 cycles/s fell to 273 within a minute). Ranks are read
 * one after the other, and none that is not needed. All shapes are fixed, so that one generic plan is right for every call.
 * What would make the answer too large stays pending: 128 definitions of 1 MiB, parsed, are more than a heap holds.
 * `materialized` keeps the planner from running the locking pick again per row, which would lease more than was asked.
 * `task.run_id = claimable.run_id` leaves a run that became pending after this statement's snapshot, which does not have its past
 * runs, to the next one.
 * $1 task_queue_id; for each place: $2 worker group, $3 worker id, $4 claim key; $5 how many places, $6 lease in seconds,
 * $7 deadline delay in seconds; for each rank, the mark: $8 scheduled, $9 task_id; for each place: $10 actor
 */
export const claimRuns = statement<LeasedRow>(
  'claim-runs',
  `
with picked as materialized (
  select waiting.task_id, waiting.rank, waiting.scheduled, waiting.run_id, waiting.at
    from unnest($8::timestamptz[], $9::text[]) with ordinality as mark (scheduled, task_id, nth),
         lateral (select task_id, rank, scheduled, run_id, ctid as at
                    from task
                   where task_queue_id = $1 and rank = mark.nth - 1 and state = 'pending' and deadline > now()
                     and (not_before is null or not_before <= now()) and (scheduled, task_id) > (mark.scheduled, mark.task_id)
                   order by scheduled, task_id
                   limit ${MOST_PLACES}
                     for update skip locked) as waiting
   limit $5::integer
), weighed as (
  select picked.at, picked.run_id, stored.creator, stored.scopes, row_number() over line as nth, sum(stored.size) over line as bytes
    from picked,
         lateral (select size, creator, scopes from task_definition where task_definition.task_id = picked.task_id limit 1) as stored
  window line as (order by picked.rank, picked.scheduled, picked.task_id rows unbounded preceding)
), claimable as (
  select at, run_id, creator, scopes, nth from weighed where nth = 1 or bytes <= ${MOST_BYTES}
), place as (
  select * from unnest($2::text[], $3::text[], $4::bytea[], $10::text[])
                with ordinality as place (worker_group, worker_id, claim_key, actor, nth)
), task as (
  update task
     set state = 'running', worker_group = place.worker_group, worker_id = place.worker_id, started = greatest(now(), task.scheduled), fence = task.fence + 1,
         taken_until = now() + make_interval(secs => $6),
         due = least(now() + make_interval(secs => $6), task.deadline + make_interval(secs => $7)),
         claim_key = place.claim_key
    from claimable join place using (nth)
   where task.ctid = claimable.at and task.run_id = claimable.run_id
  returning task.*, place.nth, place.actor, claimable.creator, claimable.scopes
), recorded as (
  ${recordEvent('task')}
), audited as (
  ${recordLent('actor', 'task as lent')}
)
select ${TASK_COLUMNS}, (task.nth - 1)::integer as place, task_definition.definition::text as definition, task_definition.signature as jws,
       ${FIRST_GRANT_COLUMNS},
       (select count(*) from picked)::integer as picked
  from task, lateral (select definition, signature, ${CREATION} from task_definition where task_definition.task_id = task.task_id limit 1) as task_definition
 order by task.nth`,
);
