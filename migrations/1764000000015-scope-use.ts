import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Which of its scopes a run used, and when first: written once, a second late, and deleted with the task. A scope is at most 2,048
 * characters here (scope-uses.ts), because a key of more than 2,704 bytes does not fit into an index.
 */
export class ScopeUse1764000000015 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table scope_use (
        task_id     text collate "C" not null,
        run_id      smallint not null,
        scope       text collate "C" not null,       -- the one that was held, with all that roles grant, not the one that was asked for
        first_used  timestamptz(3) not null,
        primary key (task_id, run_id, scope)
      );
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table scope_use');
  }
}
