import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Row, rounded } from '../row.js';
import type { Deployment, Stage } from '../stage.js';
import { type Scenario, STEADY, UNBOUNDED } from './scenario.js';

/** How many cycles were done after so many seconds. */
interface Tick {
  at: number;
  done: number;
}

const WINDOW_SECONDS = 5;
/** Compiled, and at a pace, before the phase that the others are compared with begins. */
const WARM_UP_SECONDS = 5;
/** Pending all the time, in each phase: more than a warm-up and the time of a refill take, and fewer than a vacuum follows on. */
const STOCK = 40_000;
const LEAST_REFILL = 1_000;

/**
 * Cycles without a break: as they are, then under a snapshot that somebody else holds open, so that no dead row can be cleaned away,
 * then after it was let go, in windows of 5 s. The rate may fall as long as it is held: what counts is its last quarter.
 */
export const snapshot: Scenario = {
  name: 'snapshot',
  async run(stage, progress) {
    const deployment = await stage.deploy();
    try {
      return rowsOf(await ticks(stage, deployment, progress), stage.options.snapshotSeconds);
    } finally {
      await stage.remove(deployment);
    }
  },
};

async function ticks(stage: Stage, deployment: Deployment, progress: (step: string) => void): Promise<Tick[]> {
  const phase = stage.options.snapshotSeconds;
  const over = { driver: 'http' as const, urls: [deployment.services[0]!.url] };
  const bounds = { ...STEADY, warmUpSeconds: WARM_UP_SECONDS, seconds: phase * 3, tasks: UNBOUNDED };
  progress('tasks are made');
  const store = await Store.filled(stage, deployment);
  await stage.server.checkpoint();
  const seen: Tick[] = [{ at: 0, done: 0 }];
  let phases: Promise<void> | undefined;
  await stage.perform(
    { kind: 'cycles', over, taskQueueId: store.taskQueueId, ...bounds },
    {
      measuring: () => {
        phases = hold(deployment.database.url, phase, progress);
      },
      progress: (done, at) => {
        seen.push({ at, done });
        store.keepUp(done);
      },
    },
  );
  await Promise.all([phases, store.settled]);
  return seen;
}

/** A queue that gets each second what was taken from it: what refills cost is in each phase, and as much for a cycle in each. */
class Store {
  settled: Promise<void> = Promise.resolve();
  private filling = false;
  private added = 0;

  private constructor(
    private readonly stage: Stage,
    private readonly deployment: Deployment,
    readonly taskQueueId: string,
  ) {}

  static async filled(stage: Stage, deployment: Deployment): Promise<Store> {
    return new Store(stage, deployment, await stage.fillQueue(deployment, STOCK));
  }

  keepUp(done: number): void {
    const more = Math.min(done - this.added, STOCK);
    if (this.filling || more < LEAST_REFILL) return;
    this.filling = true;
    this.settled = this.stage.topUp(this.deployment, this.taskQueueId, more).finally(() => {
      this.added += more;
      this.filling = false;
    });
    this.settled.catch(() => undefined); // it is awaited at the end
  }
}

async function hold(url: string, phase: number, progress: (step: string) => void): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'leasehold-bench-snapshot' });
  await client.connect();
  try {
    progress(`${phase} s without`);
    await sleep(phase * 1000);
    progress(`${phase} s with a snapshot held open`);
    await client.query('set idle_in_transaction_session_timeout = 0; begin isolation level repeatable read');
    await client.query('select count(*) from pg_class');
    await sleep(phase * 1000);
    await client.query('rollback');
    progress(`${phase} s after`);
  } finally {
    await client.end();
  }
}

function rowsOf(seen: readonly Tick[], phase: number): Row[] {
  const without = rate(seen, 0, phase);
  const row = (what: string, from: number, to: number): Row => {
    const here = rate(seen, from, to);
    return { scenario: 'snapshot', what, ...STEADY, from, to, 'cycles/s': Math.round(here), '× without': rounded(here / without) };
  };
  const windows = Array.from({ length: Math.floor(phase / WINDOW_SECONDS) }, (_, n) => phase * 2 + n * WINDOW_SECONDS);
  return [
    row('without', 0, phase),
    row('held', phase, phase * 2),
    row('held, last quarter', phase * 1.75, phase * 2),
    ...windows.map((from) => row('after', from, from + WINDOW_SECONDS)),
  ];
}

/** Ticks come about once a second: the nearest ones count. */
function rate(seen: readonly Tick[], from: number, to: number): number {
  const nearest = (second: number) => seen.reduce((best, tick) => (Math.abs(tick.at - second) < Math.abs(best.at - second) ? tick : best));
  const [first, last] = [nearest(from), nearest(to)];
  return (last.done - first.done) / Math.max(last.at - first.at, 0.001);
}
