import { recordAudit } from '../../postgres/audit-log.js';
import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { ARTIFACT_COLUMNS, type ArtifactRow, CREATED_DETAIL, isOpen } from './artifact-columns.js';

export interface CreatedRow extends ArtifactRow {
  projectId: string;
  workerGroup: string;
  workerId: string;
}

/**
 * Creates the artifact, or changes one of the same name as far as that may be: its expiry may grow, a reference may point elsewhere or
 * become a link. Its bytes stay what they are. No row: it may not, and who is refused pays for finding out why.
 * $1 task_id, $2 run_id, $3 name, $4 storage_type, $5 content_type, $6 content_length, $7 expires, $8 details, $9 present,
 * $10 store, $11 blob_id, $12 upload_id, $13 actor
 */
export const createArtifact = statement<CreatedRow>(
  'create-artifact',
  `
with task as materialized (
  select * from task where task_id = $1 for key share
), run as (
  select state, worker_group, worker_id, taken_until, resolved from task where run_id = $2
  union all
  select state, worker_group, worker_id, taken_until, resolved from past_run where task_id = $1 and run_id = $2
), artifact as (
  insert into artifact (task_id, run_id, name, storage_type, content_type, content_length, expires, details, present, store, blob_id,
                        upload_id)
  select task.task_id, $2::smallint, $3, $4, $5, $6::bigint, $7::timestamptz, $8::jsonb, $9::boolean, $10, $11, $12
    from task, run
   where task.expires >= $7::timestamptz and run.worker_id is not null and ${isOpen('run')}
  on conflict (task_id, run_id, name) do update
    set storage_type = excluded.storage_type, details = excluded.details, expires = excluded.expires
  where artifact.swept is null
    and artifact.expires <= excluded.expires
    and (artifact.content_type = excluded.content_type or excluded.storage_type = 'link')
    and (artifact.storage_type = excluded.storage_type and (artifact.details = excluded.details or excluded.storage_type = 'reference')
         or artifact.storage_type = 'reference' and excluded.storage_type = 'link')
  returning *
), created as (
  select task.*, ${CREATED_DETAIL} as what
    from task, run, artifact
   where artifact.storage_type in ('reference', 'link', 'error')
), event as (
  ${recordEvent('created', { kind: `'artifact-created'`, detail: 'what' })}
), audited as (
  ${recordAudit(`artifact where storage_type = 'object'`, {
    kind: 'artifact-credentials-lent',
    actor: '$13',
    ofRun: true,
    detail: `json_build_object('name', name, 'to', 'upload')`,
  })}
)
select ${ARTIFACT_COLUMNS}, task.project_id as "projectId", run.worker_group as "workerGroup", run.worker_id as "workerId"
  from artifact, task, run`,
);
