import { setTimeout as sleep } from 'node:timers/promises';
import { HttpDriver } from './drivers/http.js';
import type { Job } from './job.js';
import type { Meter } from './meter.js';

const QUEUES = 100;

/**
 * A claim waits; a task is created for it, at the last of the services; timed is from the moment the creation is sent to the moment
 * the claim is answered. The claim is given a random while first, so that it really waits and nothing keeps step with a timer.
 */
export async function wakeUps(job: Job, meter: Meter): Promise<void> {
  const urls = urlsOf(job);
  const [worker, creator] = [urls[0]!, urls.at(-1)!].map((url) => new HttpDriver([url], job.taskQueueId, 1)) as [HttpDriver, HttpDriver];
  try {
    await meter.run(async () => {
      while (meter.take(1)) {
        const claim = worker.claim(0, 1);
        await sleep(20 + Math.random() * 40);
        const sent = performance.now();
        const answered = claim.then((held) => {
          meter.latencies('wake-up').add(performance.now() - sent);
          return held[0];
        });
        const [held] = await Promise.all([answered, creator.create(0)]);
        if (!held) throw new Error('a claim was answered without the task it waited for');
        await worker.complete(0, held);
        meter.count(1);
      }
    });
  } finally {
    await Promise.all([worker.close(), creator.close()]);
  }
}

/** `concurrency` claims over a hundred empty queues; who is sent away comes again, as workers do. */
export async function idlePolls(job: Job, meter: Meter): Promise<void> {
  const each = Math.ceil(job.concurrency / QUEUES);
  const drivers = Array.from({ length: QUEUES }, (_, queue) => new HttpDriver(urlsOf(job), `${job.taskQueueId}-${queue}`, each));
  const poll = async (driver: HttpDriver, worker: number) => {
    while (meter.take(1)) {
      const held = await driver.claim(worker, 1).catch(ignoreHangUp(meter));
      if (held.length > 0) throw new Error('an idle poll was given a task');
      meter.count(1);
    }
  };
  await meter.run(async () => {
    const polls = drivers.flatMap((driver) => Array.from({ length: each }, (_, worker) => poll(driver, worker)));
    await Promise.race([Promise.all(polls), sleep((job.warmUpSeconds + job.seconds) * 1000)]);
    await Promise.all(drivers.map((driver) => driver.close())); // nobody waits for the rest of 1 000 long polls
    await Promise.all(polls);
  });
}

/** Once the time is up the connections are closed under the polls. */
function ignoreHangUp(meter: Meter): (error: Error) => never[] {
  return (error) => {
    if (meter.take(1) > 0) throw error;
    return [];
  };
}

function urlsOf({ over }: Job): string[] {
  if (over.driver !== 'http') throw new Error('waiting goes over HTTP');
  return over.urls;
}
