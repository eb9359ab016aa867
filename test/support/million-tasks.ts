import { createHash } from 'node:crypto';
import type pg from 'pg';

/** How many tasks there are; each is known by its place, from 1. */
const TASKS = 1_000_000;

/** The deepest queue; the others are named by `queueAt`. */
export const DEEP_QUEUE = 'plan/deep';

/** Places by what has become of the task. */
export const PLACES = {
  deep: { first: 1, last: 690_000 },
  pending: { first: 690_001, last: 790_000 },
  unscheduled: { first: 790_001, last: 795_000 },
  running: { first: 795_001, last: 898_000 },
  reclaimed: { first: 898_001, last: 898_500 },
  lapsed: { first: 898_501, last: 899_000 },
  exhausted: { first: 899_001, last: 899_500 },
  overdue: { first: 899_501, last: 900_000 },
  unsettled: { first: 900_001, last: 900_500 },
  ended: { first: 900_501, last: TASKS },
};

/** What a sweep of any kind looks through: from `reclaimed` to `unsettled`. */
export const DUE = PLACES.unsettled.last - PLACES.running.last;

/** What signed the tokens. */
export const KEY = 'key';

/** So many tasks each wait for one that is unsettled. */
export const DEPENDENTS = 10;

/** The last of so many tasks has a token, whose place in the status lists is the task's. */
export const TOKEN_EACH = 5;

const GROUP = 100;
const QUEUES = 1_000;

/** Random like a slugid, so that the rows lie in no order of their ids. */
export const taskAt = (place: number): string => createHash('md5').update(String(place)).digest('hex').slice(0, 22);
export const groupAt = (place: number): string => taskAt(Math.floor(place / GROUP) + 2 * TASKS);
export const queueAt = (place: number): string => `plan/${place % QUEUES}`;

export interface Places {
  first: number;
  last: number;
}

const between = ({ first, last }: Places): string => `place between ${first} and ${last}`;
const id = (place: string): string => `substr(md5((${place})::text), 1, 22)`;
const group = (place: string): string => id(`${place} / ${GROUP} + ${2 * TASKS}`);

const STATE = `case when place <= ${PLACES.pending.last} then 'pending' when ${between(PLACES.unscheduled)} then 'unscheduled'
  when place <= ${PLACES.overdue.last} then 'running' when place % 10 = 0 then 'failed' else 'completed' end::task_state`;

/** Times count from an hour ago, so that what is scheduled by the service comes after all of these. */
const MADE = `
select place, ${id('place')} as task_id, ${group('place')} as task_group_id, ${STATE} as state,
       case when ${between(PLACES.deep)} then '${DEEP_QUEUE}' else 'plan/' || place % ${QUEUES} end as task_queue_id,
       now() - interval '1 hour' + place * interval '1 millisecond' as created,
       now() + interval '1 hour' * case when ${between(PLACES.overdue)} then -1 else 6 end as deadline,
       now() + interval '1 hour' * case when place between ${PLACES.lapsed.first} and ${PLACES.overdue.last} then -1 else 1 end as taken_until
  from generate_series($1::integer, $2::integer) as place`;

const FILL = [
  `insert into task (task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries_left, deadline, expires, unsatisfied,
                     has_dependents, state, run_id, reason_created, scheduled, started, worker_group, worker_id, taken_until, resolved,
                     reason_resolved, due)
   select task_id, task_queue_id, task_group_id, '-', 'none', place % 7, case when ${between(PLACES.exhausted)} then 0 else 5 end,
          deadline, created + interval '10 days', (state = 'unscheduled')::integer,
          ${between(PLACES.unsettled)}, state,
          case when state <> 'unscheduled' then (place % 20 = 0)::integer end,
          case when state <> 'unscheduled' then 'scheduled' end, case when state <> 'unscheduled' then created end,
          case when state >= 'running' then created end, case when state >= 'running' then 'group' end,
          case when state >= 'running' then 'worker' end, case when state >= 'running' then taken_until end,
          case when state > 'running' then created end, case when state > 'running' then state::text end,
          case when state < 'running' then deadline when ${between(PLACES.reclaimed)} or ${between(PLACES.unsettled)} then created
               when state = 'running' then least(taken_until, deadline) end
     from (${MADE}) as made`,
  `insert into task_definition (task_id, definition, size, digest, scopes, retries, expires)
   select task_id, '{"tags":{"kind":"test"},"routes":[]}', 38, '\\x00', '{}', 5, created + interval '10 days' from (${MADE}) as made`,
  `insert into task_group (task_group_id, scheduler_id) select distinct task_group_id, '-' from (${MADE}) as made`,
  `insert into past_run (task_id, run_id, state, reason_created, scheduled, resolved, reason_resolved)
   select task_id, 0, 'exception', 'scheduled', created, created, 'claim-expired' from (${MADE}) as made where place % 20 = 0`,
  `insert into reduced_run (task_id, run_id, scopes)
   select task_id, 0, '{scope}' from (${MADE}) as made where place % 20 = 19 and state = 'running'`,
  `insert into task_dependency (dependent_task_id, required_task_id, any_outcome, satisfied)
   select task_id, ${id(`${PLACES.unsettled.first} + (place - ${PLACES.unscheduled.first}) / ${DEPENDENTS}`)}, false, false
     from (${MADE}) as made where state = 'unscheduled'`,
  // of a thousand transactions
  `insert into event (tx, kind, task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries_left, deadline, expires,
                      fence, state, run_id, reason_created, scheduled)
   select (3 + place % 1000)::text::xid8, kind, task_id, task_queue_id, task_group_id, '-', 'none', 0, 5, deadline, deadline,
          1, state, 0, 'scheduled', created
     from (${MADE}) as made, unnest('{task-pending,task-running,task-completed}'::text[]) as kind where state > 'running'`,
  `insert into audit_entry (tx, id, kind, actor, task_id, run_id)
   select (3 + place % 1000)::text::xid8, place, 'credentials-lent', 'client', task_id, 0 from (${MADE}) as made where state > 'running'`,
  `insert into task_token (jti, task_id, run_id, kid, idx, expires) overriding system value
   select 'token-' || task_id, task_id, 0, '${KEY}', place, now() + interval '1 hour'
     from (${MADE}) as made where place % ${TOKEN_EACH} = ${TOKEN_EACH - 1}`,
  `insert into worker (task_queue_id, worker_group, worker_id, expires)
   select task_queue_id, 'group', 'worker-' || place, deadline from (${MADE}) as made where place % 100 = 0`,
];

/** Those that are filled. */
export const TABLES = [
  'task',
  'task_definition',
  'task_group',
  'past_run',
  'reduced_run',
  'task_dependency',
  'event',
  'worker',
  'audit_entry',
  'task_token',
];

/** Vacuum comes when it is called. And entries of other days may be made from now on: later, to say so would make plans anew. */
export async function stopVacuum(pool: pg.Pool): Promise<void> {
  for (const table of TABLES) await pool.query(`alter table ${table} set (autovacuum_enabled = off)`);
  await pool.query('alter table audit_entry disable trigger audit_now');
}

/** Where the entry of a place is in the audit log. */
export const auditPlace = (place: number): [tx: string, id: number] => [String(3 + (place % 1000)), place];

/** Makes the tasks of these places. */
export async function fill(pool: pg.Pool, { first, last }: Places): Promise<void> {
  for (const statement of FILL) await pool.query(statement, [first, last]);
}

/** Makes all of them, in tables without a log and with indexes made afterwards: 20 s of CPU. */
export async function fillAll(pool: pg.Pool): Promise<void> {
  for (const table of TABLES) await pool.query(`alter table ${table} set unlogged`);
  const { rows } = await pool.query(INDEXES, [TABLES]);
  for (const { drop } of rows) await pool.query(drop);
  await fill(pool, { first: 1, last: TASKS });
  await pool.query(`alter table task_token alter idx restart with ${2 * TASKS}`);
  await pool.query(`insert into signing_key (kid, alg, public_jwk, sealed, active_from) values ($1, 'ES256', '{}', '\\x00', now())`, [KEY]);
  for (const { create } of rows) await pool.query(create);
  await pool.query('vacuum analyze');
}

const INDEXES = `
select case when conname is null then 'drop index ' || indexrelid::regclass else format('alter table %s drop constraint %I', indrelid::regclass, conname) end as drop,
       case when conname is null then pg_get_indexdef(indexrelid)
            else format('alter table %s add constraint %I %s', indrelid::regclass, conname, pg_get_constraintdef(pg_constraint.oid)) end as create
  from pg_index left join pg_constraint on conindid = indexrelid
 where indrelid = any($1::text[]::regclass[])`;
