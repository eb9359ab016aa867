import { statement } from '../../../postgres/sql.js';

/**
 * Which of the tokens of a list are good no more: revoked, of a key that leaked, or of a run that does not go on, which is asked of `task`,
 * so they flip in the transaction in which it ends. `exists`: whether the list has any tokens. $1 first idx, $2 length
 */
export const readStatusList = statement<{ ended: number[]; exists: boolean; now: number }>(
  'read-status-list',
  `
select coalesce(array_agg((token.idx - $1)::integer) filter (
         where token.revoked is not null or task.task_id is null
            or exists (select from signing_key where signing_key.kid = token.kid and signing_key.compromised is not null)), '{}') as ended,
       count(*) > 0 as exists, extract(epoch from now())::integer as now
  from task_token as token
       left join task on task.task_id = token.task_id and task.run_id = token.run_id
                     and task.state = 'running' and task.taken_until > now()
 where token.idx >= $1 and token.idx < $1::bigint + $2::integer`,
);
