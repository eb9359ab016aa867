import { readdirSync, readFileSync } from 'node:fs';
import { createDataSource, poolOf } from '../../src/service/postgres/data-source.js';
import { startEmbeddedPostgres } from '../../src/service/postgres/embedded-postgres.js';
import { migrate } from '../../src/service/postgres/migrate.js';
import { Sql } from '../../src/service/postgres/sql.js';
import { type Start, Watermark } from '../../src/service/queue/claims/watermark.js';
import { claimRuns } from '../../src/service/queue/sql/claim-runs.js';
import { extendClaim } from '../../src/service/queue/sql/extend-claim.js';
import { insertTask } from '../../src/service/queue/sql/insert-task.js';
import { resolveRun } from '../../src/service/queue/sql/resolve-run.js';
import { newDataDir, removeDataDir } from '../support/service-process.js';

/*
 * What cycles leave behind in the tables, and what settings of Postgres cost: `node dist/test/bench/wear.js`. The service's own statements
 * against an embedded Postgres, fsync on, without the service: create, claim, reclaim, complete, by eight connections, beside many tasks
 * that have ended. Claims begin at a watermark, as in the service. WEAR_CYCLES, WEAR_ENDED; WEAR_PENDING: takes from a backlog of so
 * many instead of creating; WEAR_SETTINGS: a JSON object of settings that win over ours; WEAR_SQL: run ahead of it all.
 */

const CYCLES = Number(process.env.WEAR_CYCLES ?? 100_000);
const ENDED = Number(process.env.WEAR_ENDED ?? 300_000);
const PENDING = Number(process.env.WEAR_PENDING ?? 0);
const CONNECTIONS = 8;

const dataDir = newDataDir();
const server = await startEmbeddedPostgres({ dataDir, settings: JSON.parse(process.env.WEAR_SETTINGS ?? '{}') });
const dataSource = await createDataSource(server.url, CONNECTIONS).initialize();
await migrate(dataSource, server.url);
const sql = new Sql(poolOf(dataSource));
await dataSource.query(process.env.WEAR_SQL ?? 'select 1');
await dataSource.query(
  `insert into task (task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries_left, deadline, expires, unsatisfied, state, run_id,
                     reason_created, scheduled, started, worker_group, worker_id, taken_until, resolved, reason_resolved)
   select 'ended-' || nth, 'wear/queue', 'ended-' || nth / 100, '-', 'none', 5, 5, now(), now() + interval '1 year', 0, 'completed', 0,
          'scheduled', now(), now(), 'group', 'worker', now(), now(), 'completed'
     from generate_series(1, $1::integer) as nth`,
  [ENDED],
);
await dataSource.query(
  `with definition as (
     insert into task_definition (task_id, definition, size, digest, scopes, retries, expires)
     select 'pending-' || nth, json_build_object('data', repeat('x', 1200)), 1216, '', '{a:scope}', 5, now() + interval '1 year' from generate_series(1, $1::integer) as nth
     returning task_id, expires
   )
   insert into task (task_id, task_queue_id, task_group_id, scheduler_id, project_id, rank, retries_left, deadline, expires, unsatisfied, state, run_id,
                     reason_created, scheduled, due)
   select task_id, 'wear/queue', 'pending', '-', 'none', 5, 5, now() + interval '1 day', expires, 0, 'pending', 0, 'scheduled', now(), now() + interval '1 day'
     from definition`,
  [PENDING],
);
await dataSource.query('vacuum analyze');
await dataSource.query('checkpoint');

const before = await standing();
const began = performance.now();
const claims: number[] = [];
const watermark = new Watermark();
let left = CYCLES;
const cycle = async (n: number) => {
  const soon = new Date(Date.now() + 3_600_000);
  const json = JSON.stringify({ payload: { command: ['true'], data: 'x'.repeat(1_200) } });
  const identity = ['wear/queue', `group-${n % 1_000}`, '-', 'none', 5];
  if (PENDING === 0)
    await sql.query(insertTask, [
      `task-${n}`,
      json,
      Buffer.alloc(32),
      ['a:scope'],
      5,
      soon,
      ...identity,
      soon,
      0,
      60,
      'client',
      ...Array(5).fill(null),
    ]);
  const asked = performance.now();
  const claim = await claimOne();
  claims.push(performance.now() - asked);
  if (!claim) return;
  await sql.query(extendClaim, [claim.taskId, 0, 1200, 'wear']);
  await sql.query(resolveRun, [claim.taskId, 0, 'completed', 'completed']);
};
const connection = async () => {
  while (left-- > 0) await cycle(left);
};
await Promise.all(Array.from({ length: CONNECTIONS }, connection));
const seconds = (performance.now() - began) / 1000;
await new Promise((done) => setTimeout(done, 1_500)); // statistics are a second late
const after = await standing();
const late = claims.slice(-CYCLES / 5).sort((a, b) => a - b);
console.log(
  JSON.stringify({
    perSecond: Math.round(CYCLES / seconds),
    claimP50: late[Math.floor(late.length / 2)]?.toFixed(2),
    claimP99: late[Math.floor(late.length * 0.99)]?.toFixed(2),
    postgresCpuUsPerCycle: Math.round(((after.cpu - before.cpu) * 10_000) / CYCLES),
    walPerCycle: Math.round((after.wal - before.wal) / CYCLES),
    checkpoints: after.checkpoints - before.checkpoints,
    tables: after.tables,
  }),
);
await dataSource.destroy();
await server.stop();
removeDataDir(dataDir);

async function claimOne() {
  const now = performance.now();
  const start = watermark.start(now);
  return (await claimFrom(start)) ?? (start.atBeginning ? undefined : await claimFrom(watermark.beginning(now)));
}

async function claimFrom({ marks }: Start) {
  const from = [marks.map(({ scheduled }) => scheduled), marks.map(({ taskId }) => taskId)];
  const rows = await sql.query(claimRuns, ['wear/queue', ['group'], ['worker'], [null], 1, 1200, 60, ...from, ['wear']]);
  watermark.handedOut(rows);
  return rows[0];
}

async function standing() {
  const [row] = await dataSource.query(
    `select pg_current_wal_lsn() - '0/0'::pg_lsn as wal, (select num_timed + num_requested from pg_stat_checkpointer) as checkpoints,
            (select json_agg(concat_ws(' ', relname, 'dead', n_dead_tup, 'updates', n_tup_upd, 'hot', n_tup_hot_upd, 'vacuums', autovacuum_count,
                                       'analyzes', autoanalyze_count, 'heap', pg_relation_size(relid) >> 20,
                                       'indexes', pg_indexes_size(relid) >> 20) order by relname)
               from pg_stat_user_tables where relname in ('task', 'event', 'task_definition')) as tables`,
  );
  return { wal: Number(row.wal), checkpoints: Number(row.checkpoints), tables: row.tables as string[], cpu: cpuOfPostgres() };
}

/** Ticks of 10 ms of the server and of all of its processes, also those that have ended. */
function cpuOfPostgres(): number {
  const postmaster = readFileSync(`${server.dataDir}/postmaster.pid`, 'utf8').split('\n')[0];
  const stats = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ');
      } catch {
        return [];
      }
    });
  const children = stats.filter(([, parent]) => parent === postmaster);
  const own = readFileSync(`/proc/${postmaster}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  const used = (fields: string[]) => Number(fields[11]) + Number(fields[12]);
  return children.reduce((sum, fields) => sum + used(fields), Number(own[13]) + Number(own[14]) + used(own));
}
