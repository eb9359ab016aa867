import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What becomes of unsigned tasks in a task queue, and whose signatures are believed there. `signature_policy_revision` is raised by every
 * change: writers lock it, replicas compare it, and read the rows that changed since. No row is ever deleted, for two reasons: who reads
 * what changed would not see it, and the version of a key set is a floor under those that come, or a revoked key could be brought back.
 */
export class SignaturePolicies1764000000022 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table signature_policy (
        task_queue_id   text collate "C" primary key,
        policy          text not null check (policy in ('off', 'warn', 'require')),
        key_set         text,                                  -- canonical JSON
        key_set_version bigint,
        key_set_digest  text,
        key_set_keys    integer,                               -- how many there are in it
        updated         timestamptz(3) not null default now(),
        updated_by      text collate "C",                      -- a client id; null: a caller without credentials
        revision        bigint not null,
        check (num_nulls(key_set, key_set_version, key_set_digest, key_set_keys) in (0, 4)),
        check (policy <> 'require' or key_set is not null)
      );

      create table signature_policy_revision (
        revision  bigint not null,
        singleton boolean primary key default true check (singleton)
      );
      insert into signature_policy_revision (revision) values (0);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table signature_policy, signature_policy_revision');
  }
}
