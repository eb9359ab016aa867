import type pg from 'pg';
import { slugid } from '../../../src/credentials/slugid.js';
import type { Driver, Held } from './driver.js';
import { SqlWorkers } from './sql-workers.js';

/**
 * The floor: the least that a queue with leases does in Postgres, one statement a call. A narrow table of runs that is updated in
 * place (a reclaim changes nothing indexed, so it is heap-only), an index in the order of the queue over what is pending, one for
 * what is due, and the wide definitions apart. No events, no groups, no credentials, no HTTP.
 */
const SCHEMA = `
  create table definition (id text collate "C" primary key, body text not null) with (toast_tuple_target = 8160);
  create table run (
    id          text collate "C" primary key,
    queue       text collate "C" not null,
    rank        smallint not null,
    inserted    bigint not null generated always as identity,
    state       text not null default 'pending',
    attempt     smallint not null default 0,
    worker      text,
    taken_until timestamptz,
    resolved    timestamptz,
    due         timestamptz
  ) with (fillfactor = 60);
  create index run_pending on run (queue, rank, inserted) where state = 'pending';
  create index run_due on run (due) where due is not null`;

const CREATE = {
  name: 'floor-create',
  text: `with defined as (insert into definition (id, body) values ($1, $3))
         insert into run (id, queue, rank) values ($1, $2, 4)`,
};

const CLAIM: { name: string; text: string; row?: { id: string } } = {
  name: 'floor-claim',
  text: `with picked as materialized (
           select id from run where queue = $1 and state = 'pending' order by rank, inserted limit $2 for update skip locked
         ), leased as (
           update run
              set state = 'running', attempt = attempt + 1, worker = $3, taken_until = now() + interval '20 min',
                  due = now() + interval '20 min'
             from picked where run.id = picked.id
           returning run.id, run.taken_until
         )
         select id, taken_until, body from leased join definition using (id)`,
};

const RECLAIM = {
  name: 'floor-reclaim',
  text: `update run set taken_until = now() + interval '20 min'
          where id = $1 and state = 'running' and taken_until > now() returning taken_until`,
};

const COMPLETE = {
  name: 'floor-complete',
  text: `update run set state = 'completed', resolved = now(), due = null
          where id = $1 and state = 'running' and taken_until > now() returning resolved`,
};

/** What a definition of the bench takes in the service. */
const BODY = 'x'.repeat(2_000);

export class FloorDriver implements Driver {
  private constructor(
    private readonly sql: SqlWorkers,
    private readonly queue: string,
  ) {}

  static async connect(url: string, queue: string, workers: number): Promise<FloorDriver> {
    return new FloorDriver(await SqlWorkers.connect(url, workers), queue);
  }

  async create(worker: number): Promise<void> {
    await this.sql.query(worker, CREATE, [slugid(), this.queue, BODY]);
  }

  async claim(worker: number, wanted: number): Promise<Held[]> {
    const rows = await this.sql.query(worker, CLAIM, [this.queue, wanted, `w${worker}`]);
    return rows.map(({ id }) => ({ taskId: id, runId: 0 }));
  }

  async reclaim(worker: number, held: Held): Promise<Held> {
    const rows = await this.sql.query(worker, RECLAIM, [held.taskId]);
    if (rows.length === 0) throw new Error('the floor lost a lease');
    return held;
  }

  async complete(worker: number, held: Held): Promise<void> {
    const rows = await this.sql.query(worker, COMPLETE, [held.taskId]);
    if (rows.length === 0) throw new Error('the floor lost a lease');
  }

  close(): Promise<void> {
    return this.sql.close();
  }
}

export async function createFloor(database: pg.Client): Promise<void> {
  await database.query(SCHEMA);
}

export async function fillFloor(database: pg.Client, queue: string, count: number): Promise<void> {
  await database.query(
    `with filling as materialized (select gen_random_uuid()::text as id, n from generate_series(1, $1::integer) as n),
          defined as (insert into definition (id, body) select id, $3 from filling order by n)
     insert into run (id, queue, rank) select id, $2, 4 from filling order by n`,
    [count, queue, BODY],
  );
}
