import { statement } from '../../postgres/sql.js';
import { ARTIFACT_COLUMNS, type ArtifactRow } from './artifact-columns.js';

/** Those of a run that are there, by name. $1 task_id, $2 run_id, $3 only after this name, $4 at most so many */
export const listArtifacts = statement<ArtifactRow>(
  'list-artifacts',
  `
select ${ARTIFACT_COLUMNS}
  from artifact
 where task_id = $1 and run_id = $2 and name > $3 and present
 order by name
 limit $4`,
);
