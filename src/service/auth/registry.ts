import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { QUEUE_ISSUER } from '../../credentials/run-grant.js';
import { compileRoles, expandScopes, type RoleIndex } from '../../scopes/role-expansion.js';
import { normalizeScopes } from '../../scopes/scope-set.js';
import { Config } from '../config.js';
import { ApiError } from '../http/api-error.js';
import { Keys } from '../keys.js';
import { Bulletin } from '../postgres/bulletin.js';
import { KeptCopy } from '../postgres/kept-copy.js';
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

interface News {
  version: string;
  clients: ClientRow[];
  roles: RoleRow[];
}

export const ANONYMOUS = 'assume:anonymous';
export const BOOTSTRAP_CLIENT = 'static/leasehold/root';

const CACHED_EXPANSIONS = 1_000;
const LONGEST_CACHED = 16_384; // characters; longer lists come in bodies, once, and would fill the memory
const LARGEST_CACHED = 65_536; // characters of what they amount to: a thousand of a megabyte each ended the process
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
  /** A refusal is remembered as well: it costs the most, and some of them anybody can ask for. */
  private expansions = new Map<string, string[] | ApiError>();
  private loaded = '';
  private readonly copy = new KeptCopy(
    'clients and roles',
    () => this.read(),
    (news) => this.load(news),
  );

  constructor(
    private readonly sql: Sql,
    private readonly bulletin: Bulletin,
    private readonly config: Config,
    private readonly keys: Keys,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.refresh();
    this.copy.follow(this.bulletin, ({ auth }) => auth);
  }

  onModuleDestroy(): void {
    this.copy.stop();
  }

  /** Whether the copy in memory was checked in the last 5 s: what asks without waiting looks at this first. */
  get isFresh(): boolean {
    return this.copy.isFresh;
  }

  /** Resolves at once while the copy in memory was checked in the last 5 s; otherwise checks it, or rejects. */
  fresh(): Promise<void> {
    return this.copy.fresh();
  }

  /** Reads clients and roles if their version changed. Calls that come while one is under way share the one after it. */
  refresh(): Promise<void> {
    return this.copy.refresh();
  }

  /** Of what is in memory: another one after each change of a client or a role. */
  get version(): string {
    return this.loaded;
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

  /** All roles, that of anonymous callers included: for who wants to know how they lead to a scope. */
  get roleIndex(): RoleIndex {
    return this.roles;
  }

  /** All that these scopes amount to, in normal form. Throws InputError where roles multiply without bound. */
  expand(scopes: readonly string[]): string[] {
    const key = scopes.join(' '); // no scope has a space
    const known = this.expansions.get(key);
    if (known) return orThrow(known);
    const expanded = expandOrRefuse(scopes, this.roles);
    if (key.length > LONGEST_CACHED || sizeOf(expanded) > LARGEST_CACHED) return orThrow(expanded);
    const oldest = this.expansions.keys().next().value;
    if (this.expansions.size >= CACHED_EXPANSIONS && oldest !== undefined) this.expansions.delete(oldest);
    this.expansions.set(key, expanded);
    return orThrow(expanded);
  }

  /** The same without some scopes, which are not followed either. Not remembered: who is left out differs from caller to caller. */
  expandWithout(scopes: readonly string[], leaveOut: (scope: string) => boolean): string[] {
    return orThrow(expandOrRefuse(scopes, this.roles, leaveOut));
  }

  /** For descriptions: what is too much to expand is shown as it is, or nobody could look at it and mend it. */
  expandOrKeep(scopes: readonly string[]): string[] {
    try {
      return this.expand(scopes);
    } catch (error) {
      if (error instanceof ApiError) return normalizeScopes(scopes);
      throw error;
    }
  }

  /** Changes nothing: given up, it may end after one that began later. */
  private async read(): Promise<News | undefined> {
    const [row] = await this.sql.query(readAuthVersion);
    if (!row || row.version === this.loaded) return undefined;
    const [clients, roles] = await Promise.all([this.sql.query(listClients), this.sql.query(listRoles)]);
    return { version: row.version, clients, roles }; // the version first: at worst the rows are newer and are read once more
  }

  private load(news: News | undefined): void {
    if (!news) return;
    const { clients, roles, version } = news;
    const stored = clients.map((row) => storedClient(row, this.keys.storage));
    this.clients = new Map([...stored, ...this.fixedClients()].map((client) => [client.clientId, client]));
    this.roleRows = roles;
    this.roles = compileRoles([...roles, { roleId: 'anonymous', scopes: this.config.anonymousScopes }]);
    this.expansions = new Map();
    this.loaded = version;
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

function sizeOf(expanded: string[] | ApiError): number {
  return expanded instanceof ApiError ? 0 : expanded.reduce((sum, scope) => sum + scope.length, 0);
}

function orThrow(expanded: string[] | ApiError): string[] {
  if (expanded instanceof ApiError) throw expanded;
  return expanded;
}

function expandOrRefuse(scopes: readonly string[], roles: RoleIndex, leaveOut?: (scope: string) => boolean): string[] | ApiError {
  try {
    return expandScopes(scopes, roles, leaveOut ? { leaveOut } : {});
  } catch (cause) {
    return new ApiError('InputError', `${(cause as Error).message}; let that role grant less`, { cause });
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
