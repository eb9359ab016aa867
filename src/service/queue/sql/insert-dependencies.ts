import { statement } from '../../postgres/sql.js';

/**
 * Edges, as four columns. The required tasks are locked, or created in this transaction with has_dependents set.
 * $1 dependent task_ids, $2 required task_ids, $3 whether any outcome will do, $4 which of them are satisfied already
 */
export const insertDependencies = statement(
  'insert-dependencies',
  `
with edge as (
  insert into task_dependency (dependent_task_id, required_task_id, any_outcome, satisfied)
  select * from unnest($1::text[], $2::text[], $3::boolean[], $4::boolean[])
)
update task
   set has_dependents = true
 where task_id = any($2::text[])
   and not has_dependents`,
);
