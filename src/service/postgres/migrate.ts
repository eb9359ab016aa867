import pg from 'pg';
import type { DataSource } from 'typeorm';
import type { Statement } from './sql.js';

const MIGRATION_LOCK = 7_146_022_309; // any number that nothing else uses

/**
 * Brings the schema up to date. Any number of replicas may start at once: they take turns under an advisory lock, held
 * by a connection of its own so that it outlives each migration's transaction. Returns the names of what was applied. `then`: what is
 * to be done before anybody works on it, after each.
 */
export async function migrate(dataSource: DataSource, url: string, then: readonly Statement<unknown>[] = []): Promise<string[]> {
  const client = new pg.Client({ connectionString: url, application_name: 'leasehold-migration', keepAlive: true });
  client.on('error', () => undefined); // without this connection there is no lock, but the next statement says what is wrong
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const applied = await dataSource.runMigrations({ transaction: 'each' });
    // a log of years takes as long as it takes
    for (const { text } of then) await dataSource.query(`begin; set local statement_timeout = 0; ${text}; commit`);
    return applied.map((migration) => migration.name);
  } finally {
    await client.end().catch(() => undefined);
  }
}
