import { statement } from '../../../postgres/sql.js';

/** A row of `signing_key`, and what the key is for at this moment, by the database's clock. */
export interface SigningKeyRow {
  kid: string;
  alg: 'ES256' | 'RS256';
  publicJwk: object;
  /** null: compromised. */
  sealed: Buffer | null;
  published: Date;
  activeFrom: Date;
  retiredAt: Date | null;
  deleteAfter: Date | null;
  compromised: Date | null;
  state: 'next' | 'active' | 'retired' | 'compromised';
}

/** The time is the statement's: who waited for the lock must not take a key for one of the future that the one before made active. */
export const listSigningKeys = statement<SigningKeyRow>(
  'list-signing-keys',
  `
select kid, alg, public_jwk as "publicJwk", sealed, published, active_from as "activeFrom", retired_at as "retiredAt",
       delete_after as "deleteAfter", compromised,
       case when compromised is not null then 'compromised'
            when statement_timestamp() < active_from then 'next'
            when retired_at is null or statement_timestamp() < retired_at then 'active'
            else 'retired' end as state
  from signing_key
 order by alg, published, kid`,
);
