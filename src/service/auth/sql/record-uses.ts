import { statement } from '../../postgres/sql.js';

/**
 * Scopes that runs used, each once and in order. What a signed URL of a run whose task is forgotten uses is not kept: nobody would delete it.
 * $1 task_ids, $2 run_ids, $3 scopes, $4 milliseconds ago
 */
export const recordUses = statement(
  'record-uses',
  `
insert into scope_use (task_id, run_id, scope, first_used)
select used.task_id, used.run_id, used.scope, now() - make_interval(secs => used.age / 1000.0)
  from unnest($1::text[], $2::smallint[], $3::text[], $4::integer[]) as used (task_id, run_id, scope, age)
 where exists (select from task_definition where task_definition.task_id = used.task_id)
on conflict do nothing`,
);
