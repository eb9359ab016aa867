import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Keys that sign tokens. What a key is for follows from its times: published before it signs, published still when it signs no more,
 * deleted once its last token has ended. The secret of one that leaked is gone, so that nothing can bring it back.
 */
export class SigningKeys1764000000011 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table signing_key (
        kid          text collate "C" primary key,
        alg          text not null check (alg in ('ES256', 'RS256')),
        public_jwk   jsonb not null,                       -- for people: what is published is made of the private half
        sealed       bytea,                                -- the private half, under a key of the master key's and for this kid
        published    timestamptz(3) not null default now(),
        active_from  timestamptz(3) not null,
        retired_at   timestamptz(3),                       -- from then on another one signs
        delete_after timestamptz(3),
        compromised  timestamptz(3),
        check ((sealed is null) = (compromised is not null)),
        check ((retired_at is null) = (delete_after is null))
      );
      create unique index signing_key_last on signing_key (alg) where retired_at is null; -- replicas that start at once make one
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table signing_key');
  }
}
