import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What runs leave behind. A row outlives its bytes, never the other way round: it is written before an upload can begin, and
 * deleted after the bytes were. No foreign key to the task: a task is not forgotten while it has artifacts (delete-expired).
 */
export class Artifacts1764000000005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table artifact (
        task_id        text collate "C" not null,
        run_id         smallint not null,
        name           text collate "C" not null,
        storage_type   text not null,
        content_type   text not null,
        content_length bigint,                       -- null: not known
        expires        timestamptz(3) not null,
        details        jsonb not null,               -- url of a reference; artifact of a link; reason and message of an error
        present        boolean not null,             -- false: an object that is not finished
        store          text,                         -- where its bytes are: disk or s3; null: it has none
        blob_id        text collate "C",             -- what they are called there: random, so that no name is ever a path
        upload_id      text collate "C",             -- of an object
        uploaded       boolean not null default false, -- the object's bytes are complete, and stay as they are
        hashes         jsonb,                        -- of an uploaded object
        swept          timestamptz(3),               -- when its removal began
        primary key (task_id, run_id, name)
      );
      create unique index artifact_blob on artifact (blob_id) where blob_id is not null;
      create index artifact_expires on artifact (expires);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table artifact');
  }
}
