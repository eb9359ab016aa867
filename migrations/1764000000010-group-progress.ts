import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Where the last look at a group met an open task: the next one begins there, and not at the thousands that have ended. It is a hint,
 * written by the sweep alone and never believed: tasks before it may be open, too, and it need not exist any more.
 */
export class GroupProgress1764000000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table task_group add column open_task_id text collate "C"');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table task_group drop column open_task_id');
  }
}
