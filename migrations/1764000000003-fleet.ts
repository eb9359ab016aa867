import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Task queues and workers as they were seen. They are written in batches, apart from the claims that showed them. */
export class Fleet1764000000003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table task_queue (
        task_queue_id    text collate "C" primary key,
        last_date_active timestamptz(3) not null default now(),
        expires          timestamptz(3) not null
      );
      create index task_queue_expires on task_queue (expires);

      create table worker (
        task_queue_id      text collate "C" not null,
        worker_group       text collate "C" not null,
        worker_id          text collate "C" not null,
        first_claim        timestamptz(3) not null default now(),
        last_date_active   timestamptz(3) not null default now(),
        expires            timestamptz(3) not null,
        quarantine_until   timestamptz(3),             -- null: never quarantined
        quarantine_details jsonb not null default '[]',
        recent_tasks       jsonb not null default '[]', -- the last 20 claims, oldest first
        primary key (task_queue_id, worker_group, worker_id)
      );
      create index worker_quarantined on worker (quarantine_until) where quarantine_until is not null;
      create index worker_expires on worker (expires);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table worker;
      drop table task_queue;
    `);
  }
}
