import { statement } from '../../../postgres/sql.js';

/** The key signs from now on, and not only later. $1 kid */
export const activateSigningKey = statement(
  'activate-signing-key',
  `
update signing_key set active_from = now() where kid = $1`,
);
