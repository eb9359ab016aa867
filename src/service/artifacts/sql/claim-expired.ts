import { statement } from '../../postgres/sql.js';
import type { StoreName } from './artifact-columns.js';

/**
 * Artifacts that expired half an hour ago, for this replica to remove. Who does not come back within ten minutes has died or failed:
 * then they are anybody's again, and until then they are in nobody's way. $1 at most so many
 */
export const claimExpired = statement<{ taskId: string; runId: number; name: string; store: StoreName | null; blobId: string | null }>(
  'claim-expired',
  `
with expired as materialized (
  select task_id, run_id, name
    from artifact
   where expires < now() - interval '30 minutes' and (swept is null or swept < now() - interval '10 minutes')
   order by expires
   limit $1
     for update skip locked
)
update artifact set swept = now()
  from expired
 where artifact.task_id = expired.task_id and artifact.run_id = expired.run_id and artifact.name = expired.name
returning artifact.task_id as "taskId", artifact.run_id as "runId", artifact.name, artifact.store, artifact.blob_id as "blobId"`,
);
