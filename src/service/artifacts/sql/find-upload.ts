import { statement } from '../../postgres/sql.js';
import { UPLOAD_COLUMNS, type UploadRow } from './upload-columns.js';

/** $1 task_id, $2 run_id, $3 name */
export const findUpload = statement<UploadRow>(
  'find-upload',
  `
select ${UPLOAD_COLUMNS}
  from artifact join task using (task_id)
 where artifact.task_id = $1 and artifact.run_id = $2 and artifact.name = $3`,
);
