import { statement } from '../../postgres/sql.js';
import { RUN_IS_OPEN } from './artifact-columns.js';

/** Which of these bytes may still be uploaded: as in record-upload. $1 blob_ids */
export const findOpenUploads = statement<{ blobId: string }>(
  'find-open-uploads',
  `
select blob_id as "blobId"
  from artifact
 where blob_id = any($1::text[]) and expires > now() and not uploaded and ${RUN_IS_OPEN}`,
);
