import type { DataSource } from 'typeorm';
import { createDataSource } from '../src/service/postgres/data-source.js';
import { createDatabase, type TestDatabase } from './support/database.js';

let database: TestDatabase;
let dataSource: DataSource;
beforeAll(async () => {
  database = await createDatabase();
  dataSource = await createDataSource(database.url).initialize();
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

const undoTo = async (name: string) => {
  for (;;) {
    const { rows } = await database.pool.query('select name from migration order by id desc limit 1');
    if (rows[0].name === name) return;
    await dataSource.undoLastMigration();
  }
};

it('sizes of definitions are filled in for those that are there, in bytes and in batches', async () => {
  await undoTo('Artifacts1764000000005');
  const insert = (more: string) =>
    database.pool.query(
      `insert into task_definition (task_id, ${more ? 'size, ' : ''}definition, digest, scopes, retries, expires)
       select ${more ? `'x' || ` : ''}nth, ${more} json_build_object('payload', repeat('€', nth % 7 + 1)), '', '{}', 5, now() from generate_series(1, 5001) as nth`,
    );
  await insert('');
  await dataSource.runMigrations();
  const wrong = 'select count(*)::integer from task_definition where size is distinct from octet_length(definition::text)';
  expect((await database.pool.query(wrong)).rows).toEqual([{ count: 0 }]);
  const { rows } = await database.pool.query(
    'select sum(size)::integer, count(*)::integer from task_definition where length(definition::text) = 19',
  );
  expect(rows[0].sum).toBe(rows[0].count * (19 + 2 * 3));
  await expect(insert('null, ')).rejects.toThrow(/null value in column "size"/);
});

it('tasks from before there were signatures have none, and go on', async () => {
  await undoTo('LostAuthority1764000000020');
  await database.pool.query(
    `insert into task_definition (task_id, definition, size, digest, scopes, retries, expires) values ('old', '{}', 2, '', '{}', 5, now());
     insert into task_group (task_group_id, scheduler_id) values ('old', '-');
     insert into task (task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries_left, deadline, expires, unsatisfied, state, run_id)
     values ('old', 'p/q', 'old', '-', 'none', 6, 5, now() + interval '1 hour', now() + interval '1 day', 0, 'pending', 0);
     insert into worker (task_queue_id, worker_group, worker_id, expires) values ('p/q', 'g', 'w', now())`,
  );
  await dataSource.runMigrations();
  const { rows } = await database.pool.query(
    `select task.signature, run_signature, not_before, task_definition.signature as jws, held_back_until
       from task join task_definition using (task_id), worker where task_id = 'old'`,
  );
  expect(rows).toEqual([{ signature: null, run_signature: null, not_before: null, jws: null, held_back_until: null }]);
  await database.pool.query('truncate task, task_definition, task_group, worker cascade');
});

it('every migration can be undone and done again', async () => {
  await database.pool.query('truncate task_definition');
  const columns = async () =>
    (
      await database.pool.query(
        `select table_name, column_name, data_type, is_nullable from information_schema.columns where table_schema = 'public' order by 1, 2`,
      )
    ).rows;
  const settings = async () =>
    (await database.pool.query(`select relname, reloptions from pg_class where relname in ('task', 'event', 'task_definition') order by 1`))
      .rows;
  const before = await columns();
  const options = await settings();
  expect(Object.fromEntries(options.map(({ relname, reloptions }) => [relname, reloptions]))).toEqual({
    event: ['autovacuum_vacuum_scale_factor=0.05'],
    task: expect.arrayContaining(['autovacuum_vacuum_scale_factor=0.02', 'autovacuum_vacuum_threshold=5000']),
    task_definition: expect.arrayContaining(['autovacuum_vacuum_scale_factor=0.05']),
  });
  await undoTo('Tasks1764000000001');
  await dataSource.undoLastMigration();
  expect(new Set((await columns()).map(({ table_name }) => table_name))).toEqual(new Set(['migration']));
  await dataSource.runMigrations({ transaction: 'each' });
  expect(await columns()).toEqual(before);
  expect(await settings()).toEqual(options);
});
