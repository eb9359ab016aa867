import { doneBy, recordAudit } from '../postgres/audit-log.js';
import { statement } from '../postgres/sql.js';

/** A row of `role`. */
export interface RoleRow {
  roleId: string;
  scopes: string[];
  description: string;
  created: Date;
  lastModified: Date;
}

export const listRoles = statement<RoleRow>(
  'list-roles',
  `
select role_id as "roleId", scopes, description, created, last_modified as "lastModified"
  from role
 order by role_id`,
);

/** $1 role_id, $2 scopes, $3 description, $4 what is told of it, $5 to $7 who does it */
export const insertRole = statement(
  'insert-role',
  `
with role as (
  insert into role (role_id, scopes, description) values ($1, $2, $3)
  returning role_id
)
${recordAudit('role', { kind: 'role-created', ...doneBy(5), detail: '$4::json' })}`,
);

/** $1 role_id, $2 scopes, $3 description, $4 what is told of it, $5 to $7 who does it */
export const updateRole = statement(
  'update-role',
  `
with role as (
  update role set scopes = $2, description = $3, last_modified = now() where role_id = $1
  returning role_id
)
${recordAudit('role', { kind: 'role-updated', ...doneBy(5), detail: '$4::json' })}`,
);

/** $1 role_id, $2 to $4 who does it */
export const deleteRole = statement(
  'delete-role',
  `
with role as (
  delete from role where role_id = $1
  returning role_id
)
${recordAudit('role', { kind: 'role-deleted', ...doneBy(2), detail: `json_build_object('roleId', role_id)` })}`,
);
