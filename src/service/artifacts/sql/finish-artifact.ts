import { recordEvent } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { ARTIFACT_COLUMNS, type ArtifactRow, CREATED_DETAIL, isOpen } from './artifact-columns.js';

/** Shows an object to the world, once: its bytes are there. $1 task_id, $2 run_id, $3 name, $4 upload_id */
export const finishArtifact = statement<ArtifactRow>(
  'finish-artifact',
  `
with task as materialized (
  select * from task where task_id = $1 for key share
), run as (
  select state, worker_group, worker_id, taken_until, resolved from task where run_id = $2
  union all
  select state, worker_group, worker_id, taken_until, resolved from past_run where task_id = $1 and run_id = $2
), artifact as (
  update artifact set present = true
    from run
   where artifact.task_id = $1 and artifact.run_id = $2 and artifact.name = $3 and artifact.upload_id = $4
     and artifact.uploaded and not artifact.present and artifact.expires > now() and ${isOpen('run')}
  returning artifact.*
), created as (
  select task.*, ${CREATED_DETAIL} as what from task, run, artifact
), event as (
  ${recordEvent('created', { kind: `'artifact-created'`, detail: 'what' })}
)
select ${ARTIFACT_COLUMNS}
  from artifact`,
);
