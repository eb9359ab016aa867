import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * On whose authority a task was created, and runs that were left with less than their task's scopes because that authority shrank. A
 * row of its own for each of those, which are few: in `task` it would be one more column that every claim writes, and every retry clears.
 */
export class Authority1764000000014 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table task_definition
        add column creator     text collate "C",     -- the permanent client; '' for a caller without credentials; null: nobody knows
        add column creator_run text collate "C";     -- <taskId>/<runId>, if it was a run that created it

      create table reduced_run (
        task_id  text collate "C" not null,
        run_id   smallint not null,
        scopes   text[] not null,                    -- what is left
        primary key (task_id, run_id)
      );
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table reduced_run;
      alter table task_definition drop column creator, drop column creator_run;
    `);
  }
}
