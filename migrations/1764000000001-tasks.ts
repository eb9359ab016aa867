import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * `task` is narrow and holds the task's latest run; it is the one row every transition locks, and the only hot one.
 * Definitions are wide, written once and read once per claim, so they live apart and never bloat the hot table.
 * No foreign keys between the three: they are written by one statement and deleted by one statement.
 */
export class Tasks1764000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create type task_state as enum ('unscheduled', 'pending', 'running', 'completed', 'failed', 'exception');

      create table task_definition (
        task_id     text collate "C" primary key,
        definition  json not null,                   -- as normalised at creation; json keeps the text, \\u0000 included
        digest      bytea not null,                  -- SHA-256 of its canonical form: what "identical" means to createTask
        scopes      text[] not null,
        retries     smallint not null,
        expires     timestamptz(3) not null
      ) with (toast_tuple_target = 8160);            -- an ordinary definition (2 kB) stays inline: no TOAST fetch per claim
      create index task_definition_expires on task_definition (expires);

      create table task (
        task_id         text collate "C" primary key,
        task_queue_id   text collate "C" not null,
        task_group_id   text collate "C" not null,
        scheduler_id    text collate "C" not null,
        project_id      text collate "C" not null,
        rank            smallint not null,           -- 0 is the highest priority: the queue's order is one ascending key
        retries_left    smallint not null,
        deadline        timestamptz(3) not null,
        expires         timestamptz(3) not null,
        unsatisfied     integer not null,            -- dependencies still open
        has_dependents  boolean not null default false,
        fence           integer not null default 0,  -- claims so far
        state           task_state not null,
        run_id          smallint,                    -- null: no run yet
        reason_created  text,
        scheduled       timestamptz(3),
        started         timestamptz(3),
        worker_group    text collate "C",
        worker_id       text collate "C",
        taken_until     timestamptz(3),              -- in no index, so that a reclaim is a heap-only update
        resolved        timestamptz(3),
        reason_resolved text,
        due             timestamptz(3),              -- when a sweep must look at this row; re-armed lazily
        claim_key       bytea
      ) with (fillfactor = 60);
      create index task_pending on task (task_queue_id, rank, scheduled, task_id) where state = 'pending';
      create index task_running on task (task_queue_id, started, task_id) where state = 'running';
      create index task_due on task (due) where due is not null;
      create index task_group_member on task (task_group_id, task_id);
      create index task_claim_key on task (claim_key) where claim_key is not null;

      create table past_run (
        task_id         text collate "C" not null,
        run_id          smallint not null,
        state           task_state not null,
        reason_created  text not null,
        scheduled       timestamptz(3) not null,
        started         timestamptz(3),
        worker_group    text collate "C",
        worker_id       text collate "C",
        taken_until     timestamptz(3),
        resolved        timestamptz(3) not null,
        reason_resolved text not null,
        primary key (task_id, run_id)
      );

      create table task_dependency (
        dependent_task_id text collate "C" not null,
        required_task_id  text collate "C" not null,
        any_outcome       boolean not null,          -- requires: all-resolved
        satisfied         boolean not null,
        primary key (dependent_task_id, required_task_id)
      );
      create index task_dependency_required on task_dependency (required_task_id, dependent_task_id);

      create table task_group (
        task_group_id text collate "C" primary key,
        scheduler_id  text collate "C" not null,
        sealed        timestamptz(3)
      );
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table task_group;
      drop table task_dependency;
      drop table past_run;
      drop table task;
      drop table task_definition;
      drop type task_state;
    `);
  }
}
