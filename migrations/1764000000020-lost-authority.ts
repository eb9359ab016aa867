import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * How often a run has lost authority, and how often it had when a token's scopes were looked at: what was signed before a loss says more than the
 * run may do now, and the status lists tell it. Numbers, and no times: a token is dated later than its scopes are read, and in whole seconds.
 * Runs and tokens from before this was written down do not agree, so that none of those tokens is passed over.
 */
export class LostAuthority1764000000020 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table reduced_run add column losses integer not null default 1;
      alter table task_token add column losses integer not null default 0;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table reduced_run drop column losses;
      alter table task_token drop column losses;
    `);
  }
}
