import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { createDataSource } from '../src/service/postgres/data-source.js';
import { Sql, statement } from '../src/service/postgres/sql.js';
import { createDatabase, type TestDatabase } from './support/database.js';

let database: TestDatabase;
let dataSource: DataSource;
let sql: Sql;
beforeAll(async () => {
  database = await createDatabase();
  dataSource = await createDataSource(database.url).initialize();
  sql = new Sql(dataSource);
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

it('a connection that is cut while idle is replaced', async () => {
  const [own] = await sql.query(ownPid);
  await cut(own?.pid ?? 0);
  const [next] = await sql.query(ownPid);
  expect(next?.pid).not.toBe(own?.pid);
});
