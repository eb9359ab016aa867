import { statement } from '../../postgres/sql.js';

export interface AuthorityRow {
  kid: string;
  /** PEM. */
  certificate: string;
  sealed: Buffer;
}

export const findRegistryAuthority = statement<AuthorityRow>(
  'find-registry-authority',
  `
select kid, certificate, sealed from registry_authority`,
);
