import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The outbox: each change writes its event in the same transaction. An event of a task holds the task's row as the change left it
 * (the columns are named as in `task`), so that it can still be told what the status was then.
 * Order is (tx, id): all with a tx below the oldest transaction under way are there for good, and none can come before them any
 * more. The id alone would not do: a transaction may commit a lower one after a higher one was read.
 */
export class Events1764000000004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table event (
        tx              xid8 not null default pg_current_xact_id(),
        id              bigint not null generated always as identity,
        at              timestamptz(3) not null default now(),
        kind            text not null,
        task_id         text collate "C",            -- null: an event of a group
        task_queue_id   text collate "C",
        task_group_id   text collate "C" not null,
        scheduler_id    text collate "C" not null,
        project_id      text collate "C",
        rank            smallint,
        retries_left    smallint,
        deadline        timestamptz(3),
        expires         timestamptz(3),
        fence           integer,
        state           task_state,
        run_id          smallint,
        reason_created  text,
        scheduled       timestamptz(3),
        started         timestamptz(3),
        worker_group    text collate "C",
        worker_id       text collate "C",
        taken_until     timestamptz(3),
        resolved        timestamptz(3),
        reason_resolved text,
        detail          json,                        -- what some kinds tell besides
        primary key (tx, id)
      );

      create table event_reader (                    -- how far those have come who read for the whole deployment
        name text primary key,
        tx   xid8 not null default '0',
        id   bigint not null default 0
      );
      alter table task_group add column resolved_in pg_snapshot; -- all that was known when the group was last told to be resolved
      insert into event_reader (name) values ('groups'), ('forgotten');
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table task_group drop column resolved_in;
      drop table event_reader;
      drop table event;
    `);
  }
}
