import { statement } from '../../postgres/sql.js';

/** Unless there is one: of replicas that are asked at once, one makes it. $1 kid, $2 certificate, $3 sealed */
export const insertFirstRegistryAuthority = statement(
  'insert-first-registry-authority',
  `
insert into registry_authority (kid, certificate, sealed)
values ($1, $2, $3)
    on conflict do nothing`,
);
