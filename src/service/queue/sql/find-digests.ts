import { statement } from '../../postgres/sql.js';

/** $1 task_ids */
export const findDigests = statement<{ taskId: string; digest: Buffer }>(
  'find-digests',
  `
select task_id as "taskId", digest
  from task_definition
 where task_id = any($1::text[])`,
);
