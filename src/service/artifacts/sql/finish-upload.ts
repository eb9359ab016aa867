import { statement } from '../../postgres/sql.js';
import { RUN_IS_OPEN } from './artifact-columns.js';

/** From now on the object's bytes stay as they are. $1 blob_id, $2 content_length, $3 hashes */
export const finishUpload = statement<{ name: string }>(
  'finish-upload',
  `
update artifact set uploaded = true, content_length = $2::bigint, hashes = $3::jsonb
 where blob_id = $1 and expires > now() and not uploaded and ${RUN_IS_OPEN}
returning name`,
);
