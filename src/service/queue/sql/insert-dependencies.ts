import { statement } from '../../postgres/sql.js';

/** $1 the dependent's task_id, $2 required task_ids, $3 which of them are satisfied already, $4 whether any outcome will do */
export const insertDependencies = statement(
  'insert-dependencies',
  `
with edge as (
  insert into task_dependency (dependent_task_id, required_task_id, any_outcome, satisfied)
  select $1, required_task_id, $4::boolean, satisfied
    from unnest($2::text[], $3::boolean[]) as given (required_task_id, satisfied)
)
update task
   set has_dependents = true
 where task_id = any($2::text[])
   and not has_dependents`,
);
