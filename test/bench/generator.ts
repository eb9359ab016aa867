import { type Driver, type Held } from './drivers/driver.js';
import { FloorDriver } from './drivers/floor.js';
import { HttpDriver } from './drivers/http.js';
import { StatementsDriver } from './drivers/statements.js';
import type { Job, Report } from './job.js';
import { Meter } from './meter.js';
import { idlePolls, wakeUps } from './waiting.js';

/*
 * The load, as a process of its own: does the jobs that its parent sends, one at a time. Nothing else that is measured runs in here,
 * so its CPU time is the load's.
 */

const BATCH_OF_CREATES = 3_000;

async function perform(job: Job): Promise<void> {
  const meter = new Meter(job, tell);
  switch (job.kind) {
    case 'wake-ups':
      return wakeUps(job, meter);
    case 'idle-polls':
      return idlePolls(job, meter);
    case 'batches':
      return batches(job, meter);
    default:
      return work(job, meter);
  }
}

async function work(job: Job, meter: Meter): Promise<void> {
  const driver = await connect(job);
  const turn = { creates, cycles, lives }[job.kind as 'creates' | 'cycles' | 'lives'];
  try {
    await meter.run(() => atOnce(job.concurrency, (worker) => turn(driver, job, meter, worker)));
  } finally {
    await driver.close();
  }
}

function connect({ over, taskQueueId, concurrency }: Job): Driver | Promise<Driver> {
  if (over.driver === 'http') return new HttpDriver(over.urls, taskQueueId, concurrency, over.sign);
  const kind = over.driver === 'floor' ? FloorDriver : StatementsDriver;
  return kind.connect(over.databaseUrl, taskQueueId, concurrency);
}

async function creates(driver: Driver, _job: Job, meter: Meter, worker: number): Promise<void> {
  while (meter.take(1)) {
    await driver.prepare?.(worker);
    await meter.time('create', () => driver.create(worker));
    meter.count(1);
  }
}

async function cycles(driver: Driver, { batch }: Job, meter: Meter, worker: number): Promise<void> {
  for (let wanted = meter.take(batch); wanted > 0; wanted = meter.take(batch)) {
    const claims = await meter.time('claim', () => driver.claim(worker, wanted));
    meter.putBack(wanted - claims.length);
    for (const held of claims) await finish(driver, meter, worker, held);
  }
}

async function lives(driver: Driver, _job: Job, meter: Meter, worker: number): Promise<void> {
  while (meter.take(1)) {
    await meter.time('create', () => driver.create(worker));
    const [held] = await meter.time('claim', () => driver.claim(worker, 1)); // somebody's: there are as many as workers
    if (held) await finish(driver, meter, worker, held);
  }
}

async function finish(driver: Driver, meter: Meter, worker: number, held: Held): Promise<void> {
  const fresh = await meter.time('reclaim', () => driver.reclaim(worker, held));
  await meter.time('complete', () => driver.complete(worker, fresh));
  meter.count(1);
}

/** `tasks` tasks in requests of as many as one may create. */
async function batches(job: Job, meter: Meter): Promise<void> {
  if (job.over.driver !== 'http') throw new Error('batches go over HTTP');
  const driver = new HttpDriver(job.over.urls, job.taskQueueId, 1);
  try {
    await meter.run(async () => {
      while (meter.take(BATCH_OF_CREATES)) {
        await meter.time('create', () => driver.createTasks(BATCH_OF_CREATES, job.dependencies ?? 0));
        meter.count(BATCH_OF_CREATES);
      }
    });
  } finally {
    await driver.close();
  }
}

async function atOnce(workers: number, work: (worker: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)));
}

function tell(report: Report): void {
  process.send?.(report);
}

process.on('message', (job: Job) => {
  perform(job).catch((error: Error) => tell({ report: 'failed', problem: error.stack ?? String(error) }));
});
process.on('disconnect', () => process.exit(0)); // the parent has ended, however that happened
process.on('SIGINT', () => undefined); // Ctrl-C reaches everybody; the parent sees to the end
