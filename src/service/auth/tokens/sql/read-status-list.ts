import { statement } from '../../../postgres/sql.js';

export interface StatusListRow {
  /** Of the tokens of the list, by their order, those that are good no more, and never will be. */
  ended: number[];
  /** Of those whose lease has lapsed: a reclaim that came in time may still be under way. */
  lapsed: number[];
  /** Whether the list has any tokens. */
  exists: boolean;
  /** Unix seconds. */
  now: number;
}

/**
 * Which of the tokens of a list are good no more: expired, revoked, of a key that leaked, of a run that does not go on (which is asked of
 * `task`, so they flip in the transaction in which it ends), or of a run that has lost authority since: what they say of its scopes is not
 * true any more. An identity says nothing of scopes. Tokens that are known to have ended are passed over before anything is looked up for
 * them. $1 first idx, $2 length, $3 a bit for each in order, 1 where it is known
 */
export const readStatusList = statement<StatusListRow>(
  'read-status-list',
  `
select coalesce(array_agg(place) filter (where ended), '{}') as ended,
       coalesce(array_agg(place) filter (where lapsed and ended is not true), '{}') as lapsed,
       exists (select from task_token where idx >= $1 and idx < $1::bigint + $2::integer) as exists,
       floor(extract(epoch from now()))::integer as now
  from (
    select (token.idx - $1)::integer as place,
           token.revoked is not null or token.expires <= now() or key.compromised is not null or task.state is distinct from 'running'
             or (key.alg = 'ES256' and token.losses < reduced_run.losses) as ended,
           task.taken_until <= now() as lapsed
      from task_token as token
           left join signing_key as key on key.kid = token.kid
           left join task on task.task_id = token.task_id and task.run_id = token.run_id
           left join reduced_run on reduced_run.task_id = token.task_id and reduced_run.run_id = token.run_id
     where token.idx >= $1 and token.idx < $1::bigint + $2::integer and get_bit($3::bytea, token.idx - $1) = 0
  ) as token`,
);
