import { statement } from '../../postgres/sql.js';
import { UPLOAD_COLUMNS, type UploadRow } from './upload-columns.js';

/** Whose bytes these are. $1 blob_id */
export const findBlob = statement<UploadRow>(
  'find-blob',
  `
select ${UPLOAD_COLUMNS}
  from artifact join task using (task_id)
 where artifact.blob_id = $1`,
);
