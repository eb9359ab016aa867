import { randomBytes } from 'node:crypto';
import pg from 'pg';

const SERVER_URL = process.env.TEST_SERVER_URL ?? '';

export interface TestDatabase {
  url: string;
  /** For moving time in data and for looking behind the API. */
  pool: pg.Pool;
  drop(): Promise<void>;
}

/** A database of its own, with the schema in place; on `template0`: empty. */
export async function createDatabase(template: 'leasehold_template' | 'template0' = 'leasehold_template'): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await admin(`create database ${name} template ${template}`);
  const url = SERVER_URL.replace(/^(postgres(?:ql)?:\/\/[^/]*\/)[^?]*/, `$1${name}`);
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  pool.on('error', () => undefined); // an idle connection that is cut says so here, and nobody else listens
  const drop = async () => {
    await pool.end();
    await admin(`drop database ${name} with (force)`);
  };
  return { url, pool, drop };
}

async function admin(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: SERVER_URL });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
