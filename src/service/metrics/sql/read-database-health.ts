import { statement } from '../../postgres/sql.js';

/** Who keeps dead rows from being removed. */
export interface Holder {
  kind: 'session' | 'prepared transaction' | 'replication slot';
  /** Of the session; of the one that uses a slot. */
  pid: number | null;
  /** What the session calls itself, or what the transaction or the slot is called. */
  name: string | null;
  /** How long already; null: nobody knows (a slot, a standby, or a session whose times we may not see). */
  seconds: number | null;
  /** How many transactions ago its view of the data was made. */
  transactions: number;
}

export interface DatabaseHealth {
  /** The one that has held for longest, of those that have a clock. */
  oldest: Holder | null;
  /** The one that holds the oldest view. */
  furthest: Holder | null;
  tables: { table: string; live: number; dead: number; bytes: number }[];
  /** How long the next event that a reader of the deployment has yet to read has been there; 0: it has read all. */
  readers: { reader: string; seconds: number }[];
}

/**
 * What makes a queue slow while nothing of it is at fault. Of other databases only transactions that write count: a snapshot taken here
 * reaches back to before them. VACUUM itself holds nothing back. $1 tables
 */
export const readDatabaseHealth = statement<DatabaseHealth>(
  'read-database-health',
  `
with holder as materialized (
  select 'session' as kind, pid, application_name as name, extract(epoch from clock_timestamp() - xact_start)::float8 as seconds,
         greatest(age(backend_xmin), age(backend_xid)) as transactions
    from pg_stat_activity as session
   where pid <> pg_backend_pid()
     and (backend_xid is not null or (backend_xmin is not null and (datid is null or datname = current_database())))
     and not exists (select from pg_stat_progress_vacuum as vacuum where vacuum.pid = session.pid)
  union all
  select 'prepared transaction', null, gid, extract(epoch from clock_timestamp() - prepared)::float8, age(transaction) from pg_prepared_xacts
  union all
  select 'replication slot', active_pid, slot_name, null, age(xmin) from pg_replication_slots where xmin is not null
)
select (select to_json(holder) from holder where seconds is not null order by seconds desc limit 1) as oldest,
       (select to_json(holder) from holder order by transactions desc limit 1) as furthest,
       (select coalesce(json_agg(json_build_object('table', relname, 'live', n_live_tup, 'dead', n_dead_tup,
                                                   'bytes', pg_total_relation_size(relid))), '[]')
          from pg_stat_user_tables
         where schemaname = current_schema() and relname = any($1)) as tables,
       (select coalesce(json_agg(json_build_object('reader', name, 'seconds', coalesce(
                 (select greatest(0, extract(epoch from clock_timestamp() - event.at)) from event
                   where (event.tx, event.id) > (event_reader.tx, event_reader.id)
                   order by event.tx, event.id
                   limit 1), 0))), '[]')
          from event_reader
         where name <> 'forgotten') as readers`,
);
