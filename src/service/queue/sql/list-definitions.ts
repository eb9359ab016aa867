import { statement } from '../../postgres/sql.js';
import { type Defined, pageOfDefinitions } from './definition-columns.js';

/** Those of these tasks that exist. $1 task_ids, $2 only after this one, $3 at most so many */
export const listDefinitions = statement<Defined & { taskId: string; rank: number }>(
  'list-definitions',
  pageOfDefinitions({
    columns: 'task_id as "taskId", rank',
    candidates: `
select task_id, rank
  from task
 where task_id = any($1::text[]) and task_id > $2
 order by task_id
 limit $3 + 1`,
    order: 'task_id',
    most: '$3',
  }),
);
