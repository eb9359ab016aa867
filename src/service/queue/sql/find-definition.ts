import { statement } from '../../postgres/sql.js';

/** $1 task_id. The priority is the task's own: it may have changed since creation. */
export const findDefinition = statement<{ definition: string; digest: Buffer; rank: number; jws: string | null }>(
  'find-definition',
  `
select task_definition.definition::text as definition, task_definition.digest, task.rank,
       task_definition.signature as jws
  from task_definition join task using (task_id)
 where task_definition.task_id = $1`,
);
