import { statement } from '../../postgres/sql.js';
import type { ClaimedRow } from './claim-runs.js';
import { CREATION, GRANT_COLUMNS } from './grant-columns.js';
import { recordLent } from './lent-columns.js';
import { TASK_COLUMNS } from './task-columns.js';

export interface HeldRow extends ClaimedRow {
  /** Which of the keys it was given for, from 0. */
  asked: number;
}

/** More than one call is ever given. */
const MOST_OF_KEY = 256;

/**
 * The runs that claimWorks with these keys were given and still hold: they are lent once more.
 * `between` and `order by` leave but the index of keys: planned for a table of one row, any index would do for `=`.
 * $1 claim_keys, $2 actors
 */
export const findClaimsByKey = statement<HeldRow>(
  'find-claims-by-key',
  `
with task as materialized (
  select held.*, asked.actor, asked.nth
    from unnest($1::bytea[], $2::text[]) with ordinality as asked (claim_key, actor, nth),
         lateral (select * from task
                   where claim_key between asked.claim_key and asked.claim_key and state::text = 'running' and taken_until > now()
                   order by claim_key
                   limit ${MOST_OF_KEY}) as held
), audited as (
  ${recordLent('actor')}
)
select ${TASK_COLUMNS}, (task.nth - 1)::integer as asked, task_definition.definition::text as definition, task_definition.signature as jws,
       ${GRANT_COLUMNS}
  from task,
       lateral (select definition, signature, ${CREATION} from task_definition where task_definition.task_id = task.task_id limit 1) as task_definition
 order by task.nth, task.rank, task.scheduled, task.task_id`,
);
