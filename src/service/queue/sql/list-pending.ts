import { statement } from '../../postgres/sql.js';
import { PRIORITIES } from '../priority.js';
import { type Defined, pageOfDefinitions } from './definition-columns.js';

export interface PendingRow extends Defined {
  taskId: string;
  runId: number;
  rank: number;
  scheduled: Date;
}

/**
 * What waits in a queue, oldest first. The index has it by rank, then time: a page is merged from the first of each rank, so that it
 * costs the same however much waits. What is past its deadline can no longer be claimed.
 * $1 task_queue_id, $2 and $3 only after this time and task, $4 at most so many
 */
export const listPending = statement<PendingRow>(
  'list-pending',
  pageOfDefinitions({
    columns: 'task_id as "taskId", run_id as "runId", rank, scheduled',
    candidates: `
select first.*
  from generate_series(0, ${PRIORITIES.length - 1}) as priority (rank),
       lateral (select task_id, run_id, rank, scheduled
                  from task
                 where task_queue_id = $1 and rank = priority.rank and state = 'pending' and deadline > now()
                   and (scheduled, task_id) > ($2::timestamptz, $3::text)
                 order by scheduled, task_id
                 limit $4 + 1) as first
 order by first.scheduled, first.task_id
 limit $4 + 1`,
    order: 'scheduled, task_id',
    most: '$4',
  }),
);
