import { doneBy, recordAudit } from '../postgres/audit-log.js';
import { statement } from '../postgres/sql.js';

/** A row of `client`. */
export interface ClientRow {
  clientId: string;
  accessToken: Buffer;
  scopes: string[];
  description: string;
  expires: Date;
  deleteOnExpiration: boolean;
  disabled: boolean;
  created: Date;
  lastModified: Date;
  lastRotated: Date;
  lastUsed: Date;
}

export const listClients = statement<ClientRow>(
  'list-clients',
  `
select client_id as "clientId", access_token as "accessToken", scopes, description, expires,
       delete_on_expiration as "deleteOnExpiration", disabled, created, last_modified as "lastModified",
       last_rotated as "lastRotated", last_used as "lastUsed"
  from client
 order by client_id`,
);

/** $1 client_id */
export const findClientScopes = statement<{ scopes: string[] }>(
  'find-client-scopes',
  `
select scopes from client where client_id = $1`,
);

/** What a change tells of the client, for the audit log. */
const NAMED = `json_build_object('clientId', client_id)`;

/** $1 client_id, $2 access_token, $3 scopes, $4 description, $5 expires, $6 delete_on_expiration, $7 what is told of it, $8 to $10 who does it */
export const insertClient = statement(
  'insert-client',
  `
with client as (
  insert into client (client_id, access_token, scopes, description, expires, delete_on_expiration)
  values ($1, $2, $3, $4, $5, $6)
  returning client_id
)
${recordAudit('client', { kind: 'client-created', ...doneBy(8), detail: '$7::json' })}`,
);

/** $1 client_id, $2 scopes, $3 description, $4 expires, $5 delete_on_expiration, $6 what is told of it, $7 to $9 who does it */
export const updateClient = statement(
  'update-client',
  `
with client as (
  update client
     set scopes = $2, description = $3, expires = $4, delete_on_expiration = $5, last_modified = now()
   where client_id = $1
  returning client_id
)
${recordAudit('client', { kind: 'client-updated', ...doneBy(7), detail: '$6::json' })}`,
);

/** $1 client_id, $2 access_token, $3 to $5 who does it */
export const rotateClient = statement(
  'rotate-client',
  `
with client as (
  update client
     set access_token = $2, last_rotated = now(), last_modified = now()
   where client_id = $1
  returning client_id
)
${recordAudit('client', { kind: 'client-reset', ...doneBy(3), detail: NAMED })}`,
);

/** $1 client_id, $2 disabled, $3 to $5 who does it */
export const disableClient = statement(
  'disable-client',
  `
with client as (
  update client
     set disabled = $2, last_modified = now()
   where client_id = $1
  returning client_id, disabled
)
${recordAudit('client', { kind: { when: 'disabled', kind: 'client-disabled', otherwise: 'client-enabled' }, ...doneBy(3), detail: NAMED })}`,
);

/** $1 client_id, $2 to $4 who does it */
export const deleteClient = statement(
  'delete-client',
  `
with client as (
  delete from client where client_id = $1
  returning client_id
)
${recordAudit('client', { kind: 'client-deleted', ...doneBy(2), detail: NAMED })}`,
);

/** $1 client_id */
export const touchClient = statement(
  'touch-client',
  `
update client set last_used = now() where client_id = $1`,
);

/** Moves the version only if there was one to delete. $1 at most so many */
export const deleteExpiredClients = statement<{ clientId: string }>(
  'delete-expired-clients',
  `
with expired as materialized (
  select client_id from client
   where delete_on_expiration and expires < now()
   order by client_id
   limit $1
     for update skip locked
), gone as (
  delete from client using expired where client.client_id = expired.client_id
  returning client.client_id
), moved as (
  update auth_version set version = version + 1 where exists (select from gone)
), recorded as (
  ${recordAudit('gone', { kind: 'client-expired', detail: NAMED })}
)
select client_id as "clientId" from gone`,
);
