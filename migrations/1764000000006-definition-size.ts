import type { MigrationInterface, QueryRunner } from 'typeorm';

/** One statement on 5 000 of the largest definitions is done within the time-out; one on all of them might never be. */
const BATCH = 5_000;

/** How many bytes a definition is, so that pages of definitions are cut before any of them is read. */
export class DefinitionSize1764000000006 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table task_definition add column size integer');
    for (let last: string | undefined = ''; last !== undefined; ) last = await fill(runner, last);
    await runner.query('alter table task_definition alter column size set not null');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table task_definition drop column size');
  }
}

/** Fills a batch of those after task `last`; answers the last of them, if there was any. */
async function fill(runner: QueryRunner, last: string): Promise<string | undefined> {
  const [{ last: next }] = await runner.query(
    `with batch as (
       select task_id from task_definition where task_id > $1 order by task_id limit ${BATCH}
     ), filled as (
       update task_definition set size = octet_length(definition::text)
         from batch where task_definition.task_id = batch.task_id
     )
     select max(task_id) as last from batch`,
    [last],
  );
  return next ?? undefined;
}
