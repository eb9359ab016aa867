import { Injectable } from '@nestjs/common';
import { compileRoles, expandScopes, roleProblem } from '../../scopes/role-expansion.js';
import { normalizeScopes, unheldScopes } from '../../scopes/scope-set.js';
import { ApiError } from '../http/api-error.js';
import type { Caller } from '../http/caller.js';
import { fitting } from '../http/page.js';
import { assertNoDoubleStar } from '../http/scope-rules.js';
import { doerOf, toldScopes } from '../postgres/audit-log.js';
import { Bulletin } from '../postgres/bulletin.js';
import { type Runner, Sql } from '../postgres/sql.js';
import type { CreateRoleRequest, RoleResponse } from './auth.dto.js';
import { bumpAuthVersion } from './auth-version.js';
import { Registry } from './registry.js';
import { deleteRole, insertRole, listRoles, type RoleRow, updateRole } from './role-table.js';

/** Of all roles in one answer: more could not be sent to anybody (answers.ts). */
const MOST_BYTES = 32 * 1024 * 1024;

/** Roles. Writers take turns, because a cycle is a property of all roles together. */
@Injectable()
export class RolesService {
  constructor(
    private readonly sql: Sql,
    private readonly registry: Registry,
    private readonly bulletin: Bulletin,
  ) {}

  list(): readonly RoleRow[] {
    return this.registry.allRoles();
  }

  get(roleId: string): RoleRow {
    const role = this.registry.role(roleId);
    if (!role) throw unknownRole(roleId);
    return role;
  }

  async create(roleId: string, request: CreateRoleRequest, caller: Caller): Promise<RoleResponse> {
    const { description } = request;
    caller.require(`auth:create-role:${roleId}`);
    const scopes = normalizeScopes(request.scopes);
    caller.require({ AllOf: [`auth:create-role:${roleId}`, { for: 'scope', in: 'scopes', each: '<scope>' }] }, { scopes: request.scopes });
    assertNoDoubleStar(request.scopes);
    await this.change(async (runner, roles) => {
      const existing = roles.find((role) => role.roleId === roleId);
      if (existing) return assertSame(existing, scopes, description);
      assertSound([...roles, { roleId, scopes }]);
      await runner.query(insertRole, [roleId, scopes, description, told(roleId, scopes), ...doerOf(caller)]);
    });
    return this.describe(this.get(roleId));
  }

  async update(roleId: string, request: CreateRoleRequest, caller: Caller): Promise<RoleResponse> {
    const { description } = request;
    const scopes = normalizeScopes(request.scopes);
    caller.require(`auth:update-role:${roleId}`);
    assertNoDoubleStar(request.scopes);
    await this.change(async (runner, roles) => {
      const existing = roles.find((role) => role.roleId === roleId);
      if (!existing) throw unknownRole(roleId);
      const former = grantedToAll(existing, roles);
      const stored = new Set(existing.scopes);
      const added = unheldScopes(former, request.scopes).filter((scope) => !stored.has(scope));
      caller.require({ AllOf: [`auth:update-role:${roleId}`, { for: 'scope', in: 'added', each: '<scope>' }] }, { added });
      assertSound([...roles.filter((role) => role.roleId !== roleId), { roleId, scopes }]);
      await runner.query(updateRole, [roleId, scopes, description, told(roleId, scopes), ...doerOf(caller)]);
    });
    return this.describe(this.get(roleId));
  }

  /** Removing what is not there is fine: the outcome is the same. */
  async delete(roleId: string, caller: Caller): Promise<void> {
    await this.change((runner) => runner.query(deleteRole, [roleId, ...doerOf(caller)]));
  }

  /** Throws ServiceUnavailable where that is too much for one answer, before it is made: roles that grant much may be granted by many. */
  describeAll(): RoleResponse[] {
    const all = this.list();
    const described = fitting(all, (role) => this.describe(role), MOST_BYTES);
    if (described.length === all.length) return described;
    throw new ApiError('ServiceUnavailable', `All roles are more than ${MOST_BYTES} bytes; ask for them page by page (GET /roles2)`);
  }

  describe(role: RoleRow): RoleResponse {
    return {
      roleId: role.roleId,
      scopes: role.scopes,
      expandedScopes: this.registry.expandOrKeep([`assume:${role.roleId}`]),
      description: role.description,
      created: role.created.toISOString(),
      lastModified: role.lastModified.toISOString(),
    };
  }

  private async change(work: (runner: Runner, roles: RoleRow[]) => Promise<unknown>): Promise<void> {
    await this.sql.transaction(async (runner) => {
      await runner.query(bumpAuthVersion); // the row's lock: from here on these are all the roles there are
      await work(runner, await runner.query(listRoles));
    });
    this.bulletin.authChanged();
    await this.registry.refresh();
  }
}

/**
 * What everybody who assumes the role has of it, by way of other roles too. Not what `assume:<roleId>` expands to: of a pattern that assumes
 * all the roles below it, and its own `<..>` with everything, which nobody was given who assumes it by one name.
 */
function grantedToAll({ roleId, scopes }: RoleRow, roles: RoleRow[]): string[] {
  const fixed = scopes.filter((scope) => !(roleId.endsWith('*') && scope.includes('<..>')));
  try {
    return expandScopes(fixed, compileRoles(roles));
  } catch {
    return fixed; // roles that multiply, not stored by us; so more counts as added
  }
}

/** For the audit log. */
function told(roleId: string, scopes: readonly string[]): string {
  return JSON.stringify({ roleId, ...toldScopes(scopes) });
}

function unknownRole(roleId: string): ApiError {
  return new ApiError('ResourceNotFound', `Role ${roleId} does not exist`);
}

function assertSound(roles: { roleId: string; scopes: readonly string[] }[]): void {
  const problem = roleProblem(roles);
  if (problem) throw new ApiError('InputError', problem);
}

function assertSame(existing: RoleRow, scopes: readonly string[], description: string): void {
  const same = existing.description === description && JSON.stringify(existing.scopes) === JSON.stringify(scopes);
  if (!same) throw new ApiError('RequestConflict', `Role ${existing.roleId} exists already and is different; update it instead`);
}
