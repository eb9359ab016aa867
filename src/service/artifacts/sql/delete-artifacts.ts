import { statement } from '../../postgres/sql.js';

/** Rows whose bytes are gone. $1 task_ids, $2 run_ids, $3 names */
export const deleteArtifacts = statement<{ name: string }>(
  'delete-artifacts',
  `
delete from artifact using unnest($1::text[], $2::smallint[], $3::text[]) as gone (task_id, run_id, name)
 where artifact.task_id = gone.task_id and artifact.run_id = gone.run_id and artifact.name = gone.name and artifact.swept is not null
returning artifact.name`,
);
