import { Injectable, type OnModuleInit } from '@nestjs/common';
import { slugid } from '../../credentials/slugid.js';
import { ApiError } from '../http/api-error.js';
import type { Caller } from '../http/caller.js';
import { assertNoDoubleStar } from '../http/scope-rules.js';
import { Keys } from '../keys.js';
import { doerOf, toldScopes } from '../postgres/audit-log.js';
import { Bulletin } from '../postgres/bulletin.js';
import { BATCH, Housekeeper, type Left, leftAfter } from '../postgres/housekeeper.js';
import { isUniqueViolation, type Runner, Sql } from '../postgres/sql.js';
import type { ClientResponse, ClientWithTokenResponse, CreateClientRequest } from './auth.dto.js';
import { bumpAuthVersion } from './auth-version.js';
import {
  deleteClient,
  deleteExpiredClients,
  disableClient,
  findClientScopes,
  insertClient,
  rotateClient,
  updateClient,
} from './client-table.js';
import { type Client, Registry } from './registry.js';
import { sealToken } from './token-cipher.js';

const REMOVE_EVERY = 600;

/** Permanent clients. Every change is one transaction that also moves the version, so that all replicas learn of it. */
@Injectable()
export class ClientsService implements OnModuleInit {
  constructor(
    private readonly sql: Sql,
    private readonly registry: Registry,
    private readonly bulletin: Bulletin,
    private readonly keys: Keys,
    private readonly housekeeper: Housekeeper,
  ) {}

  onModuleInit(): void {
    this.housekeeper.register({ name: 'removing expired clients', every: REMOVE_EVERY, batch: () => this.removeExpired() });
  }

  /** Removes the clients that asked for it and have expired. */
  async removeExpired(): Promise<Left> {
    const gone = await this.sql.query(deleteExpiredClients, [BATCH]);
    if (gone.length > 0) {
      this.bulletin.authChanged();
      await this.registry.refresh();
    }
    return leftAfter(gone.length);
  }

  list(prefix: string): Client[] {
    return this.registry.allClients().filter((client) => client.clientId.startsWith(prefix));
  }

  get(clientId: string): Client {
    const client = this.registry.client(clientId);
    if (!client) throw unknownClient(clientId);
    return client;
  }

  async create(clientId: string, request: CreateClientRequest, caller: Caller): Promise<ClientWithTokenResponse> {
    const { scopes = [], description, expires, deleteOnExpiration } = request;
    caller.require(`auth:create-client:${clientId}`); // first: without it nobody makes us look through megabytes of scopes
    caller.require({ AllOf: [`auth:create-client:${clientId}`, { for: 'scope', in: 'scopes', each: '<scope>' }] }, { scopes });
    assertNoDoubleStar(scopes);
    this.refuseFixed(clientId);
    this.registry.expand(scopes); // throws if roles make too much of them
    const accessToken = newAccessToken();
    const sealed = sealToken(this.keys.storage, clientId, accessToken);
    try {
      await this.change((runner) =>
        runner.query(insertClient, [
          ...[clientId, sealed, scopes, description, instant(expires), deleteOnExpiration],
          ...[told(clientId, scopes, expires), ...doerOf(caller)],
        ]),
      );
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new ApiError('RequestConflict', `Client ${clientId} exists already; update it, or choose another id`, { cause: error });
    }
    return { ...this.describe(this.get(clientId)), accessToken };
  }

  async update(clientId: string, request: CreateClientRequest, caller: Caller): Promise<ClientResponse> {
    const { description, expires, deleteOnExpiration } = request;
    caller.require(`auth:update-client:${clientId}`);
    this.refuseFixed(clientId);
    assertNoDoubleStar(request.scopes ?? []);
    this.registry.expand(request.scopes ?? []);
    await this.change(async (runner) => {
      // what is stored, not what is remembered: a scope that was just taken away counts as added
      const [client] = await runner.query(findClientScopes, [clientId]);
      if (!client) throw unknownClient(clientId);
      const scopes = request.scopes ?? client.scopes;
      const stored = new Set(client.scopes);
      const added = scopes.filter((scope) => !stored.has(scope));
      caller.require({ AllOf: [`auth:update-client:${clientId}`, { for: 'scope', in: 'added', each: '<scope>' }] }, { added });
      const changed = [clientId, scopes, description, instant(expires), deleteOnExpiration];
      await runner.query(updateClient, [...changed, told(clientId, scopes, expires), ...doerOf(caller)]);
    });
    return this.describe(this.get(clientId));
  }

  /** A new access token. The old one, and all temporary credentials made from it, stop working at once. */
  async reset(clientId: string, caller: Caller): Promise<ClientWithTokenResponse> {
    this.refuseFixed(clientId);
    this.get(clientId);
    const accessToken = newAccessToken();
    const sealed = sealToken(this.keys.storage, clientId, accessToken);
    await this.change((runner) => runner.query(rotateClient, [clientId, sealed, ...doerOf(caller)]));
    return { ...this.describe(this.get(clientId)), accessToken };
  }

  async setDisabled(clientId: string, disabled: boolean, caller: Caller): Promise<ClientResponse> {
    this.refuseFixed(clientId);
    this.get(clientId);
    await this.change((runner) => runner.query(disableClient, [clientId, disabled, ...doerOf(caller)]));
    return this.describe(this.get(clientId));
  }

  /** Removing what is not there is fine: the outcome is the same. */
  async delete(clientId: string, caller: Caller): Promise<void> {
    this.refuseFixed(clientId);
    await this.change((runner) => runner.query(deleteClient, [clientId, ...doerOf(caller)]));
  }

  describe(client: Client): ClientResponse {
    return {
      clientId: client.clientId,
      description: client.description,
      expires: client.expires.toISOString(),
      created: client.created.toISOString(),
      lastModified: client.lastModified.toISOString(),
      lastDateUsed: client.lastUsed.toISOString(),
      lastRotated: client.lastRotated.toISOString(),
      deleteOnExpiration: client.deleteOnExpiration,
      scopes: client.scopes,
      expandedScopes: this.registry.expandOrKeep(client.scopes),
      disabled: client.disabled,
    };
  }

  private refuseFixed(clientId: string): void {
    if (!clientId.startsWith('static/') && !this.registry.client(clientId)?.fixed) return;
    throw new ApiError('InputError', `Client ${clientId} is kept in the service's configuration (STATIC_CLIENTS); change it there`);
  }

  private async change(work: (runner: Runner) => Promise<unknown>): Promise<void> {
    await this.sql.transaction(async (runner) => {
      await runner.query(bumpAuthVersion);
      await work(runner);
    });
    this.bulletin.authChanged();
    await this.registry.refresh();
  }
}

/** In UTC and milliseconds: Postgres rounds where the wire protocol cuts off, and knows no offset beyond 16 hours. */
function instant(timestamp: string): string {
  return new Date(timestamp).toISOString();
}

/** For the audit log; of the access token nothing. */
function told(clientId: string, scopes: readonly string[], expires: string): string {
  return JSON.stringify({ clientId, expires: instant(expires), ...toldScopes(scopes) });
}

function unknownClient(clientId: string): ApiError {
  return new ApiError('ResourceNotFound', `Client ${clientId} does not exist`);
}

/** 44 characters: two random UUIDs, as clients of the wire protocol expect. */
function newAccessToken(): string {
  return slugid() + slugid();
}
