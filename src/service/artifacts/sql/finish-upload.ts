import { statement } from '../../postgres/sql.js';
import { RUN_IS_OPEN } from './artifact-columns.js';

/**
 * From now on the object's bytes stay as they are. No row: they must not, as in record-upload, or others have taken the place of those
 * that were looked at. What is in a bucket went past us, so of that nothing was recorded. $1 blob_id, $2 content_length, $3 hashes
 */
export const finishUpload = statement<{ name: string }>(
  'finish-upload',
  `
update artifact set uploaded = true, content_length = $2::bigint, hashes = $3::jsonb
 where blob_id = $1 and expires > now() and not uploaded and (store <> 'disk' or content_length = $2 and hashes = $3) and ${RUN_IS_OPEN}
returning name`,
);
