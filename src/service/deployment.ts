import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { rebaseAudit } from './audit/sql/rebase-audit.js';
import { claimKeyCheck } from './auth/auth-version.js';
import { BOOTSTRAP_CLIENT } from './auth/registry.js';
import { type Config, ConfigError } from './config.js';
import { configuredKeys, type Keys } from './keys.js';
import { connect, mostConnections, poolOf } from './postgres/data-source.js';
import { startEmbeddedPostgres } from './postgres/embedded-postgres.js';
import { migrate } from './postgres/migrate.js';
import { MIGRATING } from './postgres/session.js';
import { Sql, statement } from './postgres/sql.js';

/** The configuration of a process that serves: the database is there. */
export type ReplicaConfig = Config & { databaseUrl: string };

/** What all processes of a deployment share, and what is done once for all of them. */
export interface Deployment {
  /** For each process. */
  config: ReplicaConfig;
  /** One connection, apart from those that serve. */
  sql: Sql;
  /** Something the operator should know. */
  notice?: string;
  /** Settles when the embedded Postgres ends by itself; the service cannot go on without it. */
  failed: Promise<string>;
  /** Writes what clients need to know, now that it listens there: the root URL, and the file with the bootstrap client, if there is one. */
  announce(url: string): { rootUrl: string; credentialsFile?: string };
  close(): Promise<void>;
}

const LEAST_CONNECTIONS = 100; // also for tools, and for who takes over while others still stop

/** Database, schema and master key. What was started is stopped again if a later part fails. */
export async function openDeployment(config: Config): Promise<Deployment> {
  const undo: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const stop of undo.splice(0).reverse()) await stop();
  };
  try {
    const keys = configuredKeys(config);
    const settings = { max_connections: String(Math.max(LEAST_CONNECTIONS, mostConnections(config.cluster) + 20)) };
    const embedded = config.databaseUrl === undefined ? await startEmbeddedPostgres({ dataDir: config.dataDir, settings }) : undefined;
    if (embedded) undo.push(() => embedded.stop());
    const databaseUrl = embedded?.url ?? (config.databaseUrl as string);
    await updateSchema(databaseUrl);
    const dataSource = await connect(databaseUrl, 1);
    undo.push(() => dataSource.destroy());
    const sql = new Sql(poolOf(dataSource));
    await assertMasterKey(sql, keys);
    const notice = embedded ? embedded.notice : await fewConnections(sql, config.cluster);
    const failed = embedded?.exited ?? new Promise<string>(() => {});
    const announce = (url: string) => announced(config, keys, url);
    return { config: { ...config, databaseUrl }, sql, ...(notice && { notice }), failed, announce, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function updateSchema(databaseUrl: string): Promise<void> {
  const dataSource = await connect(databaseUrl, 1, MIGRATING);
  try {
    await migrate(dataSource, databaseUrl, [rebaseAudit]);
  } finally {
    await dataSource.destroy();
  }
}

/** With another master key no stored access token could be read, and replicas would not believe one another's credentials. */
async function assertMasterKey(sql: Sql, keys: Keys): Promise<void> {
  const [row] = await sql.query(claimKeyCheck, [keys.check]);
  if (row?.keyCheck.equals(keys.check)) return;
  throw new ConfigError(
    'MASTER_KEY is not the one this database was written with; set MASTER_KEY (or DATA_DIR/master.key) to the former one',
  );
}

const connectionsAllowed = statement<{ allowed: number }>(
  'connections-allowed',
  `select current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer as allowed`,
);

/** Other replicas need theirs, too, so this is only the least that is missing. */
async function fewConnections(sql: Sql, processes: number): Promise<string | undefined> {
  const [row] = await sql.query(connectionsAllowed);
  const wanted = mostConnections(processes);
  if (!row || row.allowed >= wanted) return undefined;
  return `The database allows ${row.allowed} connections, and CLUSTER=${processes} may open ${wanted}: raise its max_connections, or lower CLUSTER`;
}

function announced(config: Config, keys: Keys, url: string): { rootUrl: string; credentialsFile?: string } {
  const rootUrl = config.port === 0 && config.rootUrl === 'http://localhost:0' ? url : config.rootUrl;
  return config.staticClients ? { rootUrl } : { rootUrl, credentialsFile: writeCredentials(config.dataDir, rootUrl, keys) };
}

/** Writes what a client needs to be told into a file that only we can read, ready to be sourced by a shell. */
function writeCredentials(dataDir: string, rootUrl: string, keys: Keys): string {
  const lines = {
    TASKCLUSTER_ROOT_URL: rootUrl,
    TASKCLUSTER_CLIENT_ID: BOOTSTRAP_CLIENT,
    TASKCLUSTER_ACCESS_TOKEN: keys.bootstrap,
  };
  const credentialsFile = path.join(dataDir, 'credentials.env');
  const unfinished = `${credentialsFile}.${process.pid}`; // renamed: never half there, and never readable for more than us
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(
    unfinished,
    Object.entries(lines)
      .map(([name, value]) => `export ${name}=${value}\n`)
      .join(''),
    { mode: 0o600 },
  );
  renameSync(unfinished, credentialsFile);
  return credentialsFile;
}
