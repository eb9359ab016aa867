import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Payload } from '../http/body.js';
import { CallerOf } from '../http/caller.decorator.js';
import type { Caller } from '../http/caller.js';
import { ROLE_ID } from '../http/identifiers.js';
import { Operation } from '../http/operation.decorator.js';
import { describedPage, page } from '../http/page.js';
import { ContinuationToken, Limit } from '../http/query.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { UrlParam } from '../http/url-param.js';
import { CreateRoleRequest, RoleIdsResponse, RoleResponse, RolesResponse } from './auth.dto.js';
import type { RoleRow } from './role-table.js';
import { RolesService } from './roles.service.js';

const RoleId = () => UrlParam('roleId', ROLE_ID);

@ApiTags('auth: roles')
@Controller('api/auth/v1')
export class RolesController {
  constructor(private readonly roles: RolesService) {}

  @Get('roles')
  @RequireScopes('auth:list-roles')
  @Operation({ summary: 'List all roles, without pages', response: RoleResponse, isArray: true })
  listRoles(): RoleResponse[] {
    return this.roles.describeAll();
  }

  @Get('roles2')
  @RequireScopes('auth:list-roles')
  @Operation({ summary: 'List roles', response: RolesResponse })
  listRoles2(@Limit() limit?: string, @ContinuationToken() continuationToken?: string): RolesResponse {
    const describe = (role: RoleRow) => this.roles.describe(role);
    const { items, ...rest } = describedPage(this.roles.list(), (role) => role.roleId, describe, limit, continuationToken);
    return { roles: items, ...rest };
  }

  @Get('roleids')
  @RequireScopes('auth:list-roles')
  @Operation({ summary: 'List role ids', response: RoleIdsResponse })
  listRoleIds(@Limit() limit?: string, @ContinuationToken() continuationToken?: string): RoleIdsResponse {
    const { items, ...rest } = page(this.roles.list(), (role) => role.roleId, limit, continuationToken);
    return { roleIds: items.map((role) => role.roleId), ...rest };
  }

  @Get('roles/:roleId')
  @RequireScopes('auth:get-role:<roleId>')
  @Operation({ summary: 'Get a role', response: RoleResponse, errors: ['ResourceNotFound'] })
  role(@RoleId() roleId: string): RoleResponse {
    return this.roles.describe(this.roles.get(roleId));
  }

  @Put('roles/:roleId')
  @RequireScopes({ AllOf: ['auth:create-role:<roleId>', { for: 'scope', in: 'scopes', each: '<scope>' }] })
  @Operation({
    summary: 'Create a role',
    description: 'Creating the same role again succeeds.',
    response: RoleResponse,
    errors: ['InputValidationError', 'InputError', 'RequestConflict'],
  })
  createRole(@CallerOf() caller: Caller, @RoleId() roleId: string, @Payload() request: CreateRoleRequest): Promise<RoleResponse> {
    return this.roles.create(roleId, request, caller);
  }

  @Post('roles/:roleId')
  @RequireScopes({ AllOf: ['auth:update-role:<roleId>', { for: 'scope', in: 'scopesAdded', each: '<scope>' }] })
  @Operation({
    summary: 'Update a role',
    response: RoleResponse,
    errors: ['InputValidationError', 'InputError', 'ResourceNotFound'],
  })
  updateRole(@CallerOf() caller: Caller, @RoleId() roleId: string, @Payload() request: CreateRoleRequest): Promise<RoleResponse> {
    return this.roles.update(roleId, request, caller);
  }

  @Delete('roles/:roleId')
  @RequireScopes('auth:delete-role:<roleId>')
  @Operation({ summary: 'Delete a role', description: 'Deleting one that does not exist succeeds.', status: 204 })
  async deleteRole(@CallerOf() caller: Caller, @RoleId() roleId: string): Promise<void> {
    await this.roles.delete(roleId, caller);
  }
}
