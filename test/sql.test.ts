import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { createDataSource, poolOf } from '../src/service/postgres/data-source.js';
import { DatabaseAway } from '../src/service/postgres/database-away.js';
import { MIGRATING } from '../src/service/postgres/session.js';
import { Sql, statement } from '../src/service/postgres/sql.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { freePort } from './support/service-process.js';

let database: TestDatabase;
let dataSource: DataSource;
let sql: Sql;
beforeAll(async () => {
  database = await createDatabase();
  dataSource = await createDataSource(database.url).initialize();
  sql = new Sql(poolOf(dataSource));
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

const ownPid = statement<{ pid: number }>('test-own-pid', 'select pg_backend_pid() as pid');

async function cut(pid: number): Promise<void> {
  await database.pool.query('select pg_terminate_backend($1)', [pid]);
  await sleep(100); // the connection's end arrives while nobody waits for an answer
}

it('a transaction whose connection is cut between two statements fails, and nothing else does', async () => {
  const work = sql.transaction(async (runner) => {
    const [own] = await runner.query(ownPid);
    await cut(own?.pid ?? 0);
    await runner.query(ownPid);
  });
  await expect(work).rejects.toThrow(/not queryable|terminat/);
  expect(await sql.query(ownPid)).toHaveLength(1);
  expect(await sql.transaction((runner) => runner.query(ownPid))).toHaveLength(1);
});

it('statements and forgotten transactions end by themselves, a migration later, and it does not wait long for locks', async () => {
  const limits = (of: DataSource) =>
    of
      .query(
        `select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
                current_setting('idle_in_transaction_session_timeout') as idle`,
      )
      .then(([row]) => row);
  expect(await limits(dataSource)).toEqual({ statement: '30s', lock: '0', idle: '10s' });
  const migrating = await createDataSource(database.url, 1, MIGRATING).initialize();
  expect(await limits(migrating)).toEqual({ statement: '10min', lock: '30s', idle: '10s' });
  await migrating.destroy();
});

it('a connection that is cut while idle is replaced', async () => {
  const [own] = await sql.query(ownPid);
  await cut(own?.pid ?? 0);
  const [next] = await sql.query(ownPid);
  expect(next?.pid).not.toBe(own?.pid);
});

describe('exclusively', () => {
  const once = async () => {
    let ran = false;
    await sql.exclusively('test', async () => {
      ran = true;
    });
    return ran;
  };

  it('runs for one at a time of the same name, and again when that one is done, well or not', async () => {
    await sql.exclusively('test', async () => {
      expect(await once()).toBe(false);
      await sql.exclusively('other', async () => expect(await once()).toBe(false));
    });
    await expect(sql.exclusively('test', () => Promise.reject(new Error('mine')))).rejects.toThrow('mine');
    expect(await once()).toBe(true);
  });

  it('whoever loses the lock with its connection can do nothing more by it; the next one can', async () => {
    const work = sql.exclusively('test', async (runner) => {
      const [own] = await runner.query(ownPid);
      await cut(own?.pid ?? 0);
      expect(await once()).toBe(true);
      await runner.query(ownPid);
    });
    await expect(work).rejects.toThrow(/not queryable|terminat/);
  });

  it('is no transaction: it holds back neither vacuum nor those who read events', async () => {
    await sql.exclusively('test', async (runner) => {
      const [own] = await runner.query(ownPid);
      const { rows } = await database.pool.query('select state, backend_xid from pg_stat_activity where pid = $1', [own?.pid]);
      expect(rows).toEqual([{ state: 'idle', backend_xid: null }]);
    });
  });
});

it('a database that cannot be asked is said to be away, and what it refuses is not', async () => {
  const pool = new pg.Pool({ host: '127.0.0.1', port: await freePort() });
  const nowhere = new Sql(pool);
  await expect(nowhere.query(ownPid)).rejects.toBeInstanceOf(DatabaseAway);
  await expect(nowhere.transaction((runner) => runner.query(ownPid))).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
  await pool.end();
  const refused = sql.query(statement('test-refused', 'select 1/0'));
  await expect(refused).rejects.toMatchObject({ code: '22012' });
  await expect(refused).rejects.not.toBeInstanceOf(DatabaseAway);
});
