import { statement } from '../postgres/sql.js';

export const readAuthVersion = statement<{ version: string }>(
  'read-auth-version',
  `
select version from auth_version`,
);

/** Every change begins with this: the row's lock makes writers take turns, the number tells the other replicas. */
export const bumpAuthVersion = statement(
  'bump-auth-version',
  `
update auth_version set version = version + 1`,
);

/** Records the key check if there is none yet, and answers the one that counts. $1 key_check */
export const claimKeyCheck = statement<{ keyCheck: Buffer }>(
  'claim-key-check',
  `
update auth_version
   set key_check = coalesce(key_check, $1)
returning key_check as "keyCheck"`,
);
