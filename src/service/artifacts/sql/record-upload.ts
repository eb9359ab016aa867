import { statement } from '../../postgres/sql.js';
import { RUN_IS_OPEN } from './artifact-columns.js';

/**
 * Says how large the bytes are that take their place next, in the same transaction, and which. No row: they must not, because the artifact has expired, the object is
 * complete, or the run is over. Rows are removed half an hour after they expired, so bytes that this admits still have theirs.
 * $1 blob_id, $2 content_length, $3 hashes
 */
export const recordUpload = statement<{ name: string }>(
  'record-upload',
  `
update artifact set content_length = $2::bigint, hashes = $3::jsonb
 where blob_id = $1 and expires > now() and not uploaded and ${RUN_IS_OPEN}
returning name`,
);
