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

/** $1 role_id, $2 scopes, $3 description */
export const insertRole = statement(
  'insert-role',
  `
insert into role (role_id, scopes, description) values ($1, $2, $3)`,
);

/** $1 role_id, $2 scopes, $3 description */
export const updateRole = statement(
  'update-role',
  `
update role set scopes = $2, description = $3, last_modified = now() where role_id = $1`,
);

/** $1 role_id */
export const deleteRole = statement(
  'delete-role',
  `
delete from role where role_id = $1`,
);
