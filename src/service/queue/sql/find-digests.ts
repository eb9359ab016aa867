import { statement } from '../../postgres/sql.js';

/** $1 task_ids */
export const findDigests = statement<{ taskId: string; digest: Buffer; jws: string | null }>(
  'find-digests',
  `
select task_id as "taskId", digest, signature as jws
  from task_definition
 where task_id = any($1::text[])`,
);
