import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Proofs that were seen, so that none is taken twice, by whichever replica. Not logged: a minute or two later they are of no use, and a
 * crash of Postgres forgets them, which opens the window of one proof once. And of a token those that it was made from, because it
 * ends with each of them.
 */
export class ProofsOfPossession1764000000016 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create unlogged table seen_proof (
        id      bytea primary key,
        expires timestamptz(3) not null
      );
      create index seen_proof_expires on seen_proof (expires);
      alter table task_token add column ancestors text[] collate "C" not null default '{}';
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table task_token drop column ancestors;
      drop table seen_proof;
    `);
  }
}
