import { statement } from '../../postgres/sql.js';
import { type Defined, pageOfDefinitions } from './definition-columns.js';

export interface ClaimedTaskRow extends Defined {
  taskId: string;
  runId: number;
  rank: number;
  workerGroup: string;
  workerId: string;
  started: Date;
}

/** What of a queue is running, the oldest claim first. $1 task_queue_id, $2 and $3 only after this time and task, $4 at most so many */
export const listClaimed = statement<ClaimedTaskRow>(
  'list-claimed',
  pageOfDefinitions({
    columns: 'task_id as "taskId", run_id as "runId", rank, worker_group as "workerGroup", worker_id as "workerId", started',
    candidates: `
select task_id, run_id, rank, worker_group, worker_id, started
  from task
 where task_queue_id = $1 and state = 'running' and (started, task_id) > ($2::timestamptz, $3::text)
 order by started, task_id
 limit $4 + 1`,
    order: 'started, task_id',
    most: '$4',
  }),
);
