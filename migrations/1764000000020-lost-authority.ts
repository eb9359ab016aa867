import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * When a run last lost authority: what was signed before that says more than the run may do now, and the status lists tell it. Runs that
 * were reduced before this was written down count as reduced now, so that none of their tokens is passed over.
 */
export class LostAuthority1764000000020 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table reduced_run add column reduced timestamptz(3) not null default now()');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table reduced_run drop column reduced');
  }
}
