import { statement } from '../../postgres/sql.js';

/** $1 task_group_id */
export const countGroup = statement<{ size: number }>(
  'count-group',
  `
select count(*)::integer as size from task where task_group_id = $1`,
);
