import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The key that certifies those which sign registry tokens, and its certificate, which operators give to their registries. There is one, for as
 * long as registries trust it: who deletes the row has all of them configured anew.
 */
export class RegistryAuthority1764000000023 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table registry_authority (
        kid         text collate "C" not null,
        certificate text not null,                             -- PEM; believed only if it is of the sealed key
        sealed      bytea not null,                            -- the private key, under a key of the master key's and for this kid
        created     timestamptz(3) not null default now(),
        singleton   boolean primary key default true check (singleton) -- replicas that are asked at once make one
      )
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table registry_authority');
  }
}
