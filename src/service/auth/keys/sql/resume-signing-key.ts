import { statement } from '../../../postgres/sql.js';

/** The key goes on to sign, because the one that was to come after it does not come. $1 kid */
export const resumeSigningKey = statement(
  'resume-signing-key',
  `
update signing_key set retired_at = null, delete_after = null where kid = $1`,
);
