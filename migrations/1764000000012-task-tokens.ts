import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Tokens that runs were given in exchange for their credentials: what introspection, revocation and the status lists need to know of
 * them, never the tokens. Whether a token's run goes on is asked of `task`: the end of a run writes nothing here.
 */
export class TaskTokens1764000000012 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table task_token (
        jti      text collate "C" primary key,
        task_id  text collate "C" not null,
        run_id   smallint not null,
        kid      text collate "C" not null,          -- the key it was signed with
        idx      bigint generated always as identity, -- its place in the status lists, one after the other
        issued   timestamptz(3) not null default now(),
        expires  timestamptz(3) not null,
        revoked  timestamptz(3)                      -- given back, or its run was seen to have ended
      );
      create unique index task_token_idx on task_token (idx);
      create index task_token_expires on task_token (expires);
      create index task_token_run on task_token (task_id, run_id);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table task_token');
  }
}
