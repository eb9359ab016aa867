import type pg from 'pg';

/** A new slugid: a random UUID in base64url. */
const SLUGID = `translate(encode(uuid_send(gen_random_uuid()), 'base64'), '+/=', '-_')`;
const TASKS_IN_A_GROUP = 100;

/** Rows that are not the task itself, but what became of it. */
const HISTORY = ['event'];

/**
 * Fills a queue in a second or a minute, which would take the API much longer: copies every row that the service wrote for a task,
 * whatever its tables are, `count` times, under new ids, in the order in which they would have come, in groups of a hundred.
 * The tasks' events are left out.
 */
export async function fill(database: pg.Client, templateTaskId: string, count: number): Promise<void> {
  await database.query('begin');
  await database.query('create temp table filling (n integer, task_id text, task_group_id text) on commit drop');
  await database.query(
    `with groups as materialized (select g, ${SLUGID} as task_group_id from generate_series(0, $1::integer / ${TASKS_IN_A_GROUP}) as g)
     insert into filling select n, ${SLUGID}, task_group_id
       from generate_series(1, $1::integer) as n join groups on g = n / ${TASKS_IN_A_GROUP}`,
    [count],
  );
  await database.query('analyze filling');
  for (const table of await tables(database, 'task_id')) await copy(database, table, templateTaskId, count);
  await copyGroups(database, templateTaskId);
  await database.query('commit');
}

/** After much was written: statistics as autovacuum would have them, and the visibility map. */
export async function vacuum(database: pg.Client): Promise<void> {
  await database.query('vacuum (analyze)');
}

interface Table {
  name: string;
  columns: string[];
}

async function tables(database: pg.Client, key: string): Promise<Table[]> {
  const { rows } = await database.query<Table>(
    `select table_name::text as name, array_agg(column_name::text order by ordinal_position) as columns
       from information_schema.columns join information_schema.tables using (table_schema, table_name)
      where table_schema = 'public' and table_type = 'BASE TABLE' and is_identity = 'NO' and is_generated = 'NEVER'
      group by table_name
     having bool_or(column_name = $1) and table_name <> all($2)`,
    [key, HISTORY],
  );
  return rows;
}

/** They became pending one after the other, ten a millisecond; the last of them now. */
async function copy(database: pg.Client, { name, columns }: Table, templateTaskId: string, count: number): Promise<void> {
  const changed: Record<string, string> = {
    task_id: 'filling.task_id',
    task_group_id: 'filling.task_group_id',
    scheduled: `template.scheduled - make_interval(secs => (${count} - n) / 10000.0)`,
  };
  await database.query(
    `insert into ${name} (${columns.join(', ')})
     select ${columns.map((column) => changed[column] ?? `template.${column}`).join(', ')}
       from ${name} as template, filling
      where template.task_id = $1
      order by n`,
    [templateTaskId],
  );
}

async function copyGroups(database: pg.Client, templateTaskId: string): Promise<void> {
  const [group] = (await tables(database, 'task_group_id')).filter(({ name, columns }) => name === 'task_group' && columns.length > 0);
  if (!group) throw new Error('there is no table of task groups');
  const columns = group.columns.map((column) => (column === 'task_group_id' ? 'fresh.task_group_id' : `template.${column}`));
  await database.query(
    `insert into task_group (${group.columns.join(', ')})
     select ${columns.join(', ')}
       from task_group as template, (select distinct task_group_id from filling) as fresh
      where template.task_group_id = (select task_group_id from task where task_id = $1)`,
    [templateTaskId],
  );
}
