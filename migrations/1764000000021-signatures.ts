import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The signature under which a definition was created: a compact JWS, whose bytes do not compress. What was found of it is told with the
 * task (`signature`) and, as the worker saw it, with each run (`run_signature`): both are JSON, and null for nearly all.
 */
export class Signatures1764000000021 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table task_definition add column signature text;
      alter table task_definition alter column signature set storage external;
      alter table task add column signature json, add column run_signature json,
                       add column not_before timestamptz(3); -- null: a pending run may be claimed at once
      alter table past_run add column run_signature json;
      alter table event add column signature json, add column run_signature json;
      alter table worker add column held_back_until timestamptz(3); -- null: it never lacked a key
      create index worker_held_back on worker (held_back_until) where held_back_until is not null;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table worker drop column held_back_until;
      alter table event drop column signature, drop column run_signature;
      alter table past_run drop column run_signature;
      alter table task drop column signature, drop column run_signature, drop column not_before;
      alter table task_definition drop column signature;
    `);
  }
}
