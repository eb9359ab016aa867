import { recordAudit } from '../postgres/audit-log.js';
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

/** $1 role_id, $2 scopes, $3 description, $4 actor, $5 what is told of it */
export const insertRole = statement(
  'insert-role',
  `
with role as (
  insert into role (role_id, scopes, description) values ($1, $2, $3)
  returning role_id
)
${recordAudit('role', { kind: 'role-created', actor: '$4', detail: '$5::json' })}`,
);

/** $1 role_id, $2 scopes, $3 description, $4 actor, $5 what is told of it */
export const updateRole = statement(
  'update-role',
  `
with role as (
  update role set scopes = $2, description = $3, last_modified = now() where role_id = $1
  returning role_id
)
${recordAudit('role', { kind: 'role-updated', actor: '$4', detail: '$5::json' })}`,
);

/** $1 role_id, $2 actor */
export const deleteRole = statement(
  'delete-role',
  `
with role as (
  delete from role where role_id = $1
  returning role_id
)
${recordAudit('role', { kind: 'role-deleted', actor: '$2', detail: `json_build_object('roleId', role_id)` })}`,
);
