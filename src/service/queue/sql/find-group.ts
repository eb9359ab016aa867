import { statement } from '../../postgres/sql.js';

/** $1 task_group_id */
export const findGroup = statement<{ schedulerId: string; sealed: Date | null }>(
  'find-group',
  `
select scheduler_id as "schedulerId", sealed
  from task_group
 where task_group_id = $1`,
);
