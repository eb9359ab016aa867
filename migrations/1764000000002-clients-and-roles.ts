import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Clients and roles. `auth_version` is bumped by every change: replicas compare it, writers lock it. */
export class ClientsAndRoles1764000000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table client (
        client_id            text collate "C" primary key,
        access_token         bytea not null,         -- AES-256-GCM under the master key: Hawk needs the key itself, a hash will not do
        scopes               text[] not null,
        description          text not null,
        expires              timestamptz(3) not null,
        delete_on_expiration boolean not null,
        disabled             boolean not null default false,
        created              timestamptz(3) not null default now(),
        last_modified        timestamptz(3) not null default now(),
        last_rotated         timestamptz(3) not null default now(),
        last_used            timestamptz(3) not null default now()
      );

      create table role (
        role_id       text collate "C" primary key,
        scopes        text[] not null,
        description   text not null,
        created       timestamptz(3) not null default now(),
        last_modified timestamptz(3) not null default now()
      );

      create table auth_version (
        version   bigint not null,
        key_check bytea                              -- proves that a replica holds the master key of this database
      );
      insert into auth_version (version) values (0);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table auth_version;
      drop table role;
      drop table client;
    `);
  }
}
