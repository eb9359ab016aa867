import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/service/postgres/embedded-postgres.js';
import { postmasterOf } from './processes.js';

/** A database of the bench, and a connection to it for what the bench itself does there. */
export interface Database {
  name: string;
  url: string;
  client: pg.Client;
}

/** What a commit waits for there. */
export interface Durability {
  fsync: string;
  synchronousCommit: string;
}

/**
 * The Postgres that everything runs on: the one of DATABASE_URL (its user must be allowed to create databases), or an embedded one,
 * started here as the service would start it, fsync and all, so that the floor and replicas can share it. Either way all is in databases
 * of its own, which are dropped at the end.
 */
export class Server {
  private readonly databases: Database[] = [];

  private constructor(
    private readonly url: string,
    private readonly admin: pg.Client,
    private readonly embedded: EmbeddedPostgres | undefined,
    readonly version: string,
    readonly durability: Durability,
    /** Absent: not on this machine, or no /proc to look it up. */
    readonly pid: number | undefined,
  ) {}

  static async start(dataDir: string): Promise<Server> {
    const given = process.env.DATABASE_URL;
    const embedded = given ? undefined : await startEmbeddedPostgres({ dataDir });
    const url = embedded?.url ?? given!;
    try {
      const admin = await connect(url);
      const { rows } = await admin.query(`select pg_backend_pid() as pid, current_setting('server_version') as version`);
      return new Server(url, admin, embedded, rows[0].version, await durabilityOf(admin), postmasterOf(rows[0].pid));
    } catch (error) {
      await embedded?.stop();
      throw error;
    }
  }

  async createDatabase(): Promise<Database> {
    const name = `leasehold_bench_${randomBytes(4).toString('hex')}`;
    await this.admin.query(`create database ${name} template template0`);
    const url = this.url.replace(/^(postgres(?:ql)?:\/\/[^/]*\/?)[^?]*/, (_, before) => `${before.replace(/\/?$/, '/')}${name}`);
    const database = { name, url, client: await connect(url) };
    this.databases.push(database);
    return database;
  }

  async dropDatabase(database: Database): Promise<void> {
    this.databases.splice(this.databases.indexOf(database), 1);
    await database.client.end().catch(() => undefined);
    await this.admin.query(`drop database ${database.name} with (force)`);
  }

  /** Transactions ended in this database so far. A statement on its own is one. */
  async transactions({ name }: Database): Promise<number> {
    const { rows } = await this.admin.query('select xact_commit + xact_rollback as number from pg_stat_database where datname = $1', [
      name,
    ]);
    return Number(rows[0].number);
  }

  /** Lets what was written before be written out before anything is measured; who may not ask for it goes without. */
  async checkpoint(): Promise<void> {
    await this.admin.query('checkpoint').catch(() => undefined);
  }

  async stop(): Promise<void> {
    for (const database of [...this.databases]) await this.dropDatabase(database).catch(() => undefined);
    await this.admin.end().catch(() => undefined);
    await this.embedded?.stop();
  }
}

/** Refuses where a commit does not wait for the disk: those figures are not to be had with tasks that matter. */
async function durabilityOf(admin: pg.Client): Promise<Durability> {
  const { rows } = await admin.query<Durability>(
    `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as "synchronousCommit"`,
  );
  const settings = rows[0]!;
  if (Object.values(settings).includes('off')) {
    await admin.end();
    throw new Error(
      `nothing is measured with fsync ${settings.fsync} and synchronous_commit ${settings.synchronousCommit}: neither may be off`,
    );
  }
  return settings;
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'leasehold-bench' });
  client.on('error', () => undefined); // an idle connection that is cut says so here; the next statement fails
  await client.connect();
  await client.query(`set idle_in_transaction_session_timeout = 0; set statement_timeout = '10min'`);
  return client;
}
