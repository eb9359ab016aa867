import { statement } from '../../postgres/sql.js';
import type { StoredDefinition } from '../task-definition.js';

export interface ClaimedTaskRow {
  taskId: string;
  runId: number;
  rank: number;
  workerGroup: string;
  workerId: string;
  started: Date;
  definition: StoredDefinition;
}

/** What of a queue is running, the oldest claim first. $1 task_queue_id, $2 and $3 only after this time and task, $4 at most so many */
export const listClaimed = statement<ClaimedTaskRow>(
  'list-claimed',
  `
select page.task_id as "taskId", page.run_id as "runId", page.rank, page.worker_group as "workerGroup", page.worker_id as "workerId",
       page.started, task_definition.definition
  from (select task_id, run_id, rank, worker_group, worker_id, started
          from task
         where task_queue_id = $1 and state = 'running' and (started, task_id) > ($2::timestamptz, $3::text)
         order by started, task_id
         limit $4) as page
       join task_definition using (task_id)
 order by page.started, page.task_id`,
);
