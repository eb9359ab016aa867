import { statement } from '../../postgres/sql.js';
import { ARTIFACT_COLUMNS, type ArtifactRow } from './artifact-columns.js';

/** Also one that is not finished, or has expired. $1 task_id, $2 run_id, $3 name */
export const findArtifact = statement<ArtifactRow>(
  'find-artifact',
  `
select ${ARTIFACT_COLUMNS}
  from artifact
 where task_id = $1 and run_id = $2 and name = $3`,
);
