import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { createDataSource, poolOf } from '../src/service/postgres/data-source.js';
import { HotSql } from '../src/service/postgres/hot-sql.js';
import { type Runner, Sql } from '../src/service/postgres/sql.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { claim, type Execution, hotStatements, type Marks, otherStatements, report } from './support/hot-statements.js';
import { DEEP_QUEUE, fill, fillAll, PLACES, stopVacuum, TABLES } from './support/million-tasks.js';
import { type Explained, explained, nodesOf, rowsSeen, shapeOf, undone } from './support/query-plan.js';

/*
 * How the statements that are executed for each task, or all the time, find their rows among a million tasks. UPDATE_GOLDEN=1 writes
 * the plans anew: to be read before they are committed.
 */

const GOLDEN = path.join('test', 'golden', 'plans');
/** The plans are those of the Postgres that we bring along; what they may cost holds for any. */
const PINNED_VERSION = 18;

/** Of the tables that grow with what the service does. The others have a row for each of their few readers. */
const GROWING = [...TABLES, 'audit_block'];

/** Pages of 8 KiB. To lease a run takes 34 of them, to tell a dependent 38: its row, and an entry in each index, three pages deep. */
const BUFFERS = 40;
const BUFFERS_PER_ROW = 40;

/** Postgres decides after the fifth execution whether one plan will do for all. */
const EXECUTIONS = 6;

async function execute(runner: Runner, { statement, parameters }: Execution): Promise<void> {
  for (let n = 0; n < EXECUTIONS; n++) await undone(runner, () => runner.query(statement, parameters));
}

/** Of the second of two executions: the first one sets the hints of rows and index entries that nobody has read yet. */
async function planOf(runner: Runner, { statement, parameters }: Execution): Promise<Explained> {
  await explained(runner, statement, parameters);
  return explained(runner, statement, parameters);
}

function expectLittle({ plan, buffers }: Explained, { rows, asked = rows, looksAt = asked }: Execution): void {
  expect(plan['Actual Rows']).toBe(rows);
  const nodes = nodesOf(plan);
  const scanned = nodes.filter((node) => node['Node Type'] === 'Seq Scan').map((node) => node['Relation Name']);
  expect(scanned.filter((table) => GROWING.includes(table ?? ''))).toEqual([]);
  expect(Math.max(...nodes.map(rowsSeen))).toBeLessThanOrEqual(looksAt);
  expect(buffers).toBeLessThanOrEqual(BUFFERS + BUFFERS_PER_ROW * asked);
}

function expectGolden({ plan }: Explained, name: string): void {
  const file = path.join(GOLDEN, `${name}.txt`);
  if (process.env.UPDATE_GOLDEN) writeFileSync(file, shapeOf(plan));
  expect(shapeOf(plan)).toBe(readFileSync(file, 'utf8'));
}

describe('of a database that was empty when the plans were made', () => {
  let database: TestDatabase;
  let hot: HotSql;
  beforeAll(async () => {
    database = await createDatabase();
    await stopVacuum(database.pool);
    hot = HotSql.on(database.url);
  });
  afterAll(async () => {
    await hot.close();
    await database.drop();
  });

  it('they are still good when there are 100 000 tasks', async () => {
    await hot.exclusively('plans', async (runner) => {
      for (const execution of hotStatements()) await execute(runner, execution);
      await fill(database.pool, { first: PLACES.deep.last - 49_999, last: PLACES.deep.last });
      await fill(database.pool, { first: PLACES.running.last - 49_999, last: PLACES.running.last });
      for (const execution of [...hotStatements(), claim(1), claim(128)]) expectLittle(await planOf(runner, execution), execution);
    });
  }, 120_000);

  it.each([0, 1, 20])(
    'they are still good when there are 100 000 tasks, made when %d had been analysed',
    async (count) => {
      const few = await createDatabase();
      const other = HotSql.on(few.url);
      try {
        await stopVacuum(few.pool);
        if (count > 0) await fill(few.pool, { first: PLACES.running.first, last: PLACES.running.first + count - 1 });
        await few.pool.query('vacuum analyze');
        await other.exclusively('plans', async (runner) => {
          for (const execution of hotStatements()) await execute(runner, execution);
          await fill(few.pool, { first: PLACES.deep.last - 49_999, last: PLACES.deep.last });
          await fill(few.pool, { first: PLACES.running.last - 49_999, last: PLACES.running.last });
          for (const execution of [...hotStatements(), claim(1), claim(128)]) expectLittle(await planOf(runner, execution), execution);
        });
      } finally {
        await other.close();
        await few.drop();
      }
    },
    120_000,
  );

  it('a claim touches only what it leases, however often it was executed', async () => {
    await database.pool.query('analyze');
    await hot.exclusively('plans', async (runner) => {
      for (let n = 0; n < 10; n++) expect(await runner.query(claim(3 + n).statement, claim(3 + n).parameters)).toHaveLength(3 + n);
      for (const wanted of [1, 32, 128]) expectLittle(await planOf(runner, claim(wanted)), claim(wanted));
    });
  });

  it('a claim starts with what is left at once, when most of the queue has been leased', async () => {
    await database.pool.query(`update task set state = 'running' where task_queue_id = $1 and rank < 6 and state = 'pending'`, [
      DEEP_QUEUE,
    ]);
    await database.pool.query('vacuum analyze task');
    await hot.exclusively('plans', async (runner) => {
      await execute(runner, claim(8));
      expectLittle(await planOf(runner, claim(8)), claim(8));
    });
  });
});

describe('of a million tasks', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let sql: Sql;
  let hot: HotSql;
  let isPinned: boolean;
  beforeAll(async () => {
    database = await createDatabase();
    await stopVacuum(database.pool);
    await fillAll(database.pool);
    dataSource = await createDataSource(database.url).initialize();
    sql = new Sql(poolOf(dataSource));
    hot = HotSql.on(database.url);
    const { rows } = await database.pool.query(`select current_setting('server_version_num')::integer / 10000 as version`);
    isPinned = rows[0].version === PINNED_VERSION;
    if (!isPinned) console.warn(`Postgres ${rows[0].version}: plans are not compared with those of ${PINNED_VERSION} in ${GOLDEN}`);
  }, 240_000);
  afterAll(async () => {
    await dataSource.destroy();
    await hot.close();
    await database.drop();
  });

  const check = async (on: Sql, execution: Execution) =>
    on.exclusively('plans', async (runner) => {
      await execute(runner, execution);
      const plan = await planOf(runner, execution);
      expectLittle(plan, execution);
      if (isPinned) expectGolden(plan, execution.statement.name);
    });

  it.each(hotStatements())('$statement.name, with one plan for all calls', (execution) => check(hot, execution));
  it.each(otherStatements())('$statement.name', (execution) => check(sql, execution));

  it('no plan is kept of a statement that is not looked at', () => {
    const names = [...hotStatements(), ...otherStatements()].map(({ statement }) => `${statement.name}.txt`);
    expect(readdirSync(GOLDEN).sort()).toEqual([...new Set(names)].sort());
  });

  it('a lease is extended in place: no index gets an entry', async () => {
    const written = {
      name: 'written',
      text: `select n_tup_upd::integer as updated, n_tup_hot_upd::integer as "inPlace" from pg_stat_xact_user_tables where relname = 'task'`,
    };
    await hot.exclusively('plans', (runner) =>
      undone(runner, async () => {
        const { statement, parameters, rows } = report('running', null);
        expect(await runner.query(statement, parameters)).toHaveLength(rows);
        expect(await runner.query(written)).toEqual([{ updated: rows, inPlace: rows }]);
      }),
    );
  });

  it('a claim locks what it leases, and nothing that comes after it', async () => {
    const following = `
      select count(*)::integer as free, min(nth)::integer as first
        from (select task_id from task where task_queue_id = $1 and state = 'pending' and rank = $2 order by scheduled, task_id limit 300
                 for update skip locked) as unlocked
             join (select task_id, row_number() over (order by scheduled, task_id) as nth
                     from task where task_queue_id = $1 and state = 'pending' and rank = $2 limit 300) as line using (task_id)`;
    const freeOf = async (rank: number) => (await database.pool.query(following, [DEEP_QUEUE, rank])).rows[0];
    await expect(freeOf(0)).resolves.toEqual({ free: 300, first: 1 });
    await hot.exclusively('plans', (runner) =>
      undone(runner, async () => {
        const { statement, parameters } = claim(7);
        expect(await runner.query(statement, parameters)).toHaveLength(7);
        await expect(freeOf(0)).resolves.toEqual({ free: 293, first: 8 });
        for (let rank = 1; rank < 7; rank++) await expect(freeOf(rank)).resolves.toEqual({ free: 300, first: 1 });
      }),
    );
  });

  it('a claim from the marks on passes over nothing that was handed out, though an old snapshot keeps its 100 000 dead entries', async () => {
    const reader = new pg.Client({ connectionString: database.url });
    await reader.connect();
    try {
      await reader.query('begin isolation level repeatable read; select 1 from task limit 1');
      const marks = await handOut(database.pool, 100_000);
      await hot.exclusively('plans', async (runner) => {
        const marked = { ...claim(1, marks), looksAt: 2 }; // of the first rank nothing is left, so it goes on to the second
        await execute(runner, marked);
        expectLittle(await planOf(runner, marked), marked);
        expect((await planOf(runner, claim(1))).buffers).toBeGreaterThan(10_000); // what the marks are for
      });
    } finally {
      await reader.end();
    }
  }, 120_000);
});

/** Leases the first of the deep queue; answers up to where it was handed out. */
async function handOut(pool: pg.Pool, count: number): Promise<Marks> {
  const { rows } = await pool.query(
    `with picked as materialized (
       select task_id from task where task_queue_id = $1 and state = 'pending' order by rank, scheduled, task_id limit $2
     ), leased as (
       update task set state = 'running' from picked where task.task_id = picked.task_id returning task.*
     ), last as (
       select distinct on (rank) rank, scheduled, task_id from leased order by rank, scheduled desc, task_id desc
     )
     select coalesce(scheduled, '-infinity')::text as scheduled, coalesce(task_id, '') as "taskId"
       from generate_series(0, 6) as rank left join last using (rank) order by rank`,
    [DEEP_QUEUE, count],
  );
  return { scheduled: rows.map(({ scheduled }) => scheduled), taskId: rows.map(({ taskId }) => taskId) };
}
