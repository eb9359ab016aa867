import { statement } from '../../postgres/sql.js';
import type { StoredDefinition } from '../task-definition.js';

/** Those of these tasks that exist. $1 task_ids, $2 only after this one, $3 at most so many */
export const listDefinitions = statement<{ taskId: string; definition: StoredDefinition; rank: number }>(
  'list-definitions',
  `
select task_id as "taskId", task_definition.definition, task.rank
  from task_definition join task using (task_id)
 where task_id = any($1::text[]) and task_id > $2
 order by task_id
 limit $3`,
);
