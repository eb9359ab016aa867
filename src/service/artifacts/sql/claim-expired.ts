import { statement } from '../../postgres/sql.js';
import type { StoreName } from './artifact-columns.js';

export interface ExpiredRow {
  taskId: string;
  runId: number;
  name: string;
  store: StoreName | null;
  blobId: string | null;
}

/**
 * Artifacts that expired half an hour ago, for this replica to remove. Who does not come back within ten minutes has died or failed:
 * then they are anybody's again, but after all that nobody has tried, so what cannot be removed is in nobody's way, however much it
 * is. Two scans of one index: one condition with `or` would read all that has not expired before it came to them. $1 at most so many
 */
export const claimExpired = statement<ExpiredRow>(
  'claim-expired',
  `
with untried as materialized (
  select task_id, run_id, name
    from artifact
   where swept is null and expires < now() - interval '30 minutes'
   order by swept nulls first, expires
   limit $1
     for update skip locked
), again as materialized (
  select task_id, run_id, name
    from artifact
   where swept < now() - interval '10 minutes' and expires < now() - interval '30 minutes'
   order by swept nulls first, expires
   limit $1 - (select count(*) from untried)
     for update skip locked
), expired as (
  select * from untried union all select * from again
   limit $1 -- never more, but the planner does not know that, and would read the whole table
)
update artifact set swept = now()
  from expired
 where artifact.task_id = expired.task_id and artifact.run_id = expired.run_id and artifact.name = expired.name
returning artifact.task_id as "taskId", artifact.run_id as "runId", artifact.name, artifact.store, artifact.blob_id as "blobId"`,
);
