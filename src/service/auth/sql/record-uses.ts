import { statement } from '../../postgres/sql.js';

/**
 * Scopes that runs used, each once; of a run no more than so many in all, unless replicas write at the same time. Those of a task that has
 * expired are not kept: half an hour later it is deleted with all its uses, and one that is written meanwhile would stay for ever.
 * $1 task_ids, $2 run_ids, $3 scopes, $4 milliseconds ago, $5 so many
 */
export const recordUses = statement(
  'record-uses',
  `
with used as materialized (
  select used.*
    from unnest($1::text[], $2::smallint[], $3::text[], $4::integer[]) as used (task_id, run_id, scope, age)
   where not exists (select from scope_use as known where (known.task_id, known.run_id, known.scope) = (used.task_id, used.run_id, used.scope))
), run as materialized (
  select task_id, run_id, (select count(*) from scope_use as known where (known.task_id, known.run_id) = (one.task_id, one.run_id)) as known
    from (select distinct task_id, run_id from used) as one
         join task_definition using (task_id)
   where task_definition.expires > now()
)
insert into scope_use (task_id, run_id, scope, first_used)
select task_id, run_id, scope, now() - make_interval(secs => age / 1000.0)
  from (select used.*, run.known + row_number() over (partition by task_id, run_id order by scope) as nth
          from used join run using (task_id, run_id)) as numbered
 where nth <= $5
 order by task_id, run_id, scope
on conflict do nothing`,
);
