import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which client of its name a creator was, and which runs further up gave a task what they had of themselves. */
export class Lineage1764000000018 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table task_definition
        add column creator_since timestamptz(3),     -- when that client was made; the epoch: one of the configuration; null: nobody knows
        add column elder_runs    text[];             -- <taskId>/<runId>, nearest first; nearly always null
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table task_definition drop column creator_since, drop column elder_runs;
    `);
  }
}
