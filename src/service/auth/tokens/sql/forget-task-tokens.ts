import { statement } from '../../../postgres/sql.js';

/** Forgets tokens that ended ten minutes ago: those who ask for the status of one may have clocks that are behind. $1 at most so many */
export const forgetTaskTokens = statement<{ gone: boolean }>(
  'forget-task-tokens',
  `
delete from task_token
 where jti in (
   select jti from task_token where expires < now() - interval '10 minutes' order by expires limit $1 for update skip locked
 )
returning true as gone`,
);
