import type { Job } from '../job.js';
import type { Row } from '../row.js';
import type { Stage } from '../stage.js';
import type { Scenario } from './scenario.js';

/** From the moment a creation is sent until a claim that waits is answered, one task at a time: here, and by way of another replica. */
export const wakeUp: Scenario = {
  name: 'wake-up',
  async run(stage, progress) {
    const deployment = await stage.main();
    const replica = await stage.addService(deployment);
    try {
      const here = deployment.services[0]!.url;
      progress('created where the claim waits');
      const same = await one(stage, 'created where the claim waits', [here]);
      progress('created at another replica');
      return [same, await one(stage, 'created at another replica', [here, replica.url])];
    } finally {
      await stage.removeService(deployment, replica);
    }
  },
};

async function one(stage: Stage, what: string, urls: string[]): Promise<Row> {
  const { wakeUps: tasks } = stage.options;
  const bounds = { concurrency: 1, batch: 1, seconds: 120, warmUpSeconds: 1, tasks };
  const job: Job = { kind: 'wake-ups', over: { driver: 'http', urls }, taskQueueId: stage.newQueue(), ...bounds };
  const { done, calls } = await stage.perform(job);
  return { scenario: 'wake-up', what, tasks: done, 'p50 ms': calls['wake-up']?.p50, 'p99 ms': calls['wake-up']?.p99 };
}
