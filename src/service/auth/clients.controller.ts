import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Payload } from '../http/body.js';
import { CallerOf } from '../http/caller.decorator.js';
import type { Caller } from '../http/caller.js';
import { CLIENT_ID } from '../http/identifiers.js';
import { Operation } from '../http/operation.decorator.js';
import { describedPage } from '../http/page.js';
import { ContinuationToken, Limit, UrlQuery } from '../http/query.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { UrlParam } from '../http/url-param.js';
import { ClientResponse, ClientsResponse, ClientWithTokenResponse, CreateClientRequest } from './auth.dto.js';
import { ClientsService } from './clients.service.js';
import type { Client } from './registry.js';

const ClientId = () => UrlParam('clientId', CLIENT_ID);

@ApiTags('auth: clients')
@Controller('api/auth/v1/clients')
export class ClientsController {
  constructor(private readonly clients: ClientsService) {}

  @Get()
  @RequireScopes('auth:list-clients')
  @Operation({ summary: 'List clients', response: ClientsResponse })
  listClients(
    @UrlQuery('prefix', { pattern: CLIENT_ID.pattern, description: 'Only clients whose id begins so' }) prefix = '',
    @Limit() limit?: string,
    @ContinuationToken() continuationToken?: string,
  ): ClientsResponse {
    const describe = (client: Client) => this.clients.describe(client);
    const { items, ...rest } = describedPage(this.clients.list(prefix), (client) => client.clientId, describe, limit, continuationToken);
    return { clients: items, ...rest };
  }

  @Get(':clientId')
  @RequireScopes('auth:get-client:<clientId>')
  @Operation({ summary: 'Get a client', response: ClientResponse, errors: ['ResourceNotFound'] })
  client(@ClientId() clientId: string): ClientResponse {
    return this.clients.describe(this.clients.get(clientId));
  }

  @Put(':clientId')
  @RequireScopes({ AllOf: ['auth:create-client:<clientId>', { for: 'scope', in: 'scopes', each: '<scope>' }] })
  @Operation({
    summary: 'Create a client',
    description: 'The access token is in this answer and never again.',
    response: ClientWithTokenResponse,
    errors: ['InputValidationError', 'InputError', 'RequestConflict'],
  })
  createClient(
    @CallerOf() caller: Caller,
    @ClientId() clientId: string,
    @Payload() request: CreateClientRequest,
  ): Promise<ClientWithTokenResponse> {
    return this.clients.create(clientId, request, caller);
  }

  @Post(':clientId')
  @RequireScopes({ AllOf: ['auth:update-client:<clientId>', { for: 'scope', in: 'scopesAdded', each: '<scope>' }] })
  @Operation({
    summary: 'Update a client',
    description: 'Absent scopes stay as they are.',
    response: ClientResponse,
    errors: ['InputValidationError', 'InputError', 'ResourceNotFound'],
  })
  updateClient(@CallerOf() caller: Caller, @ClientId() clientId: string, @Payload() request: CreateClientRequest): Promise<ClientResponse> {
    return this.clients.update(clientId, request, caller);
  }

  @Post(':clientId/reset')
  @RequireScopes('auth:reset-access-token:<clientId>')
  @Operation({
    summary: 'Give a client a new access token',
    description: 'The old token, and every temporary credential made from it, stops working at once.',
    response: ClientWithTokenResponse,
    errors: ['InputError', 'ResourceNotFound'],
  })
  resetAccessToken(@CallerOf() caller: Caller, @ClientId() clientId: string): Promise<ClientWithTokenResponse> {
    return this.clients.reset(clientId, caller);
  }

  @Post(':clientId/enable')
  @RequireScopes('auth:enable-client:<clientId>')
  @Operation({ summary: 'Enable a client', response: ClientResponse, errors: ['InputError', 'ResourceNotFound'] })
  enableClient(@CallerOf() caller: Caller, @ClientId() clientId: string): Promise<ClientResponse> {
    return this.clients.setDisabled(clientId, false, caller);
  }

  @Post(':clientId/disable')
  @RequireScopes('auth:disable-client:<clientId>')
  @Operation({ summary: 'Disable a client', response: ClientResponse, errors: ['InputError', 'ResourceNotFound'] })
  disableClient(@CallerOf() caller: Caller, @ClientId() clientId: string): Promise<ClientResponse> {
    return this.clients.setDisabled(clientId, true, caller);
  }

  @Delete(':clientId')
  @RequireScopes('auth:delete-client:<clientId>')
  @Operation({ summary: 'Delete a client', description: 'Deleting one that does not exist succeeds.', status: 204, errors: ['InputError'] })
  async deleteClient(@CallerOf() caller: Caller, @ClientId() clientId: string): Promise<void> {
    await this.clients.delete(clientId, caller);
  }
}
