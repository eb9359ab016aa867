import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { compileRoles, expandScopes, type RoleIndex } from '../../scopes/role-expansion.js';
import { normalizeScopes } from '../../scopes/scope-set.js';
import { Config } from '../config.js';
import { ApiError } from '../http/api-error.js';
import { Keys } from '../keys.js';
import { Bulletin } from '../postgres/bulletin.js';
import { Sql } from '../postgres/sql.js';
import { readAuthVersion } from './auth-version.js';
import { type ClientRow, listClients } from './client-table.js';
import { listRoles, type RoleRow } from './role-table.js';
import { openToken } from './token-cipher.js';

/** A holder of permanent credentials, as held in memory. */
export interface Client extends Omit<ClientRow, 'accessToken'> {
  accessToken: string;
  /** From configuration: cannot be changed through the API. */
  fixed: boolean;
}

export const ANONYMOUS = 'assume:anonymous';
/** Signs the credentials of runs; nobody can log in as it, its key never leaves the process. */
export const QUEUE_ISSUER = 'static/leasehold/queue';
export const BOOTSTRAP_CLIENT = 'static/leasehold/root';

const POLL_MS = 2_000;
const STALE_MS = 5_000;
const CACHED_EXPANSIONS = 1_000;
const LONGEST_CACHED = 16_384; // characters; longer lists come in bodies, once, and would fill the memory
const FAR_FUTURE = new Date('2999-01-01T00:00:00.000Z');

/**
 * Clients and roles, all in memory. Another replica's change arrives by notification, at the latest by the poll of the version
 * every 2 s; a copy that could not be checked for 5 s is not trusted any more.
 */
@Injectable()
export class Registry implements OnApplicationBootstrap, OnModuleDestroy {
  private clients = new Map<string, Client>();
  private roleRows: RoleRow[] = [];
  private roles: RoleIndex = compileRoles([]);
  private expansions = new Map<string, string[]>();
  private version = '';
  private checkedAt = 0;
  private current: Promise<void> | undefined;
  private following: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly sql: Sql,
    private readonly bulletin: Bulletin,
    private readonly config: Config,
    private readonly keys: Keys,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.refresh();
    this.bulletin.subscribe((news) => {
      if (news.auth) this.refresh().catch(() => undefined); // the poll tries again
    });
    this.timer = setInterval(() => this.refresh().catch(() => undefined), POLL_MS);
    this.timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  /** Resolves at once while the copy in memory was checked in the last 5 s; otherwise checks it, or rejects. */
  async fresh(): Promise<void> {
    if (Date.now() - this.checkedAt > STALE_MS) await this.refresh();
  }

  /** Reads clients and roles if their version changed. Calls that come while one is under way share the one after it. */
  refresh(): Promise<void> {
    if (!this.current) {
      this.current = this.check().finally(() => {
        this.current = undefined;
      });
      return this.current;
    }
    this.following ??= this.current
      .catch(() => undefined)
      .then(() => {
        this.following = undefined;
        return this.refresh();
      });
    return this.following;
  }

  client(clientId: string): Client | undefined {
    return this.clients.get(clientId);
  }

  allClients(): Client[] {
    return [...this.clients.values()].sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
  }

  role(roleId: string): RoleRow | undefined {
    return this.roleRows.find((role) => role.roleId === roleId);
  }

  allRoles(): readonly RoleRow[] {
    return this.roleRows;
  }

  /** All that these scopes amount to, in normal form. Throws InputError where roles multiply without bound. */
  expand(scopes: readonly string[]): string[] {
    const key = scopes.join(' '); // no scope has a space
    const known = this.expansions.get(key);
    if (known) return known;
    const expanded = expandOrRefuse(scopes, this.roles);
    if (key.length > LONGEST_CACHED) return expanded;
    const oldest = this.expansions.keys().next().value;
    if (this.expansions.size >= CACHED_EXPANSIONS && oldest !== undefined) this.expansions.delete(oldest);
    this.expansions.set(key, expanded);
    return expanded;
  }

  private async check(): Promise<void> {
    const startedAt = Date.now();
    const [row] = await this.sql.query(readAuthVersion);
    if (row && row.version !== this.version) {
      const [clients, roles] = await Promise.all([this.sql.query(listClients), this.sql.query(listRoles)]);
      this.load(clients, roles);
      this.version = row.version; // read before the rows: at worst they are newer and are read once more
    }
    this.checkedAt = startedAt;
  }

  private load(rows: ClientRow[], roles: RoleRow[]): void {
    const stored = rows.map((row) => storedClient(row, this.keys.storage));
    this.clients = new Map([...stored, ...this.fixedClients()].map((client) => [client.clientId, client]));
    this.roleRows = roles;
    this.roles = compileRoles([...roles, { roleId: 'anonymous', scopes: this.config.anonymousScopes }]);
    this.expansions = new Map();
  }

  private fixedClients(): Client[] {
    const bootstrap = {
      clientId: BOOTSTRAP_CLIENT,
      accessToken: this.keys.bootstrap,
      scopes: ['*'],
      description: 'The first administrator',
    };
    const given = this.config.staticClients ?? [bootstrap];
    const queue = { clientId: QUEUE_ISSUER, accessToken: this.keys.issuer, scopes: ['*'], description: 'Signs the credentials of runs' };
    return [...given, queue].map((client) => fixedClient(client));
  }
}

/** One token that cannot be read (somebody changed the table) disables one client, and not everybody. */
function storedClient(row: ClientRow, key: Buffer): Client {
  try {
    return { ...row, accessToken: openToken(key, row.clientId, row.accessToken), fixed: false };
  } catch {
    return { ...row, accessToken: '', disabled: true, fixed: false };
  }
}

function expandOrRefuse(scopes: readonly string[], roles: RoleIndex): string[] {
  try {
    return expandScopes(scopes, roles);
  } catch (cause) {
    throw new ApiError('InputError', `${(cause as Error).message}; let that role grant less`, { cause });
  }
}

function fixedClient(client: { clientId: string; accessToken: string; scopes: readonly string[]; description: string }): Client {
  const then = new Date(0);
  return {
    ...client,
    scopes: normalizeScopes(client.scopes),
    expires: FAR_FUTURE,
    deleteOnExpiration: false,
    disabled: false,
    created: then,
    lastModified: then,
    lastRotated: then,
    lastUsed: then,
    fixed: true,
  };
}
