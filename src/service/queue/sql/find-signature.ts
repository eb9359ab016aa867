import { statement } from '../../postgres/sql.js';

/** $1 task_id. `jws` is null where the task is not signed. */
export const findSignature = statement<{ jws: string | null }>(
  'find-signature',
  `
select signature as jws
  from task_definition
 where task_id = $1`,
);
