import type { Job, Target } from '../job.js';
import { cpuColumns, median, perSecond, type Round, type Row, ratio } from '../row.js';
import type { Deployment, Stage } from '../stage.js';
import { type Scenario, WARM_UP_SECONDS } from './scenario.js';
import { Supply } from './supply.js';

const DRIVERS = { floor: 'floor', statements: 'own statements', http: 'service' } as const;
type Name = keyof typeof DRIVERS;
const NAMES = Object.keys(DRIVERS) as Name[];

/**
 * Full cycles: claimWork, one reclaimTask, reportCompleted, the last two with the credentials that were lent. The floor and the
 * service take turns within each round, so that both have the same machine.
 */
export const cycles: Scenario = {
  name: 'cycles',
  async run(stage, progress) {
    const deployment = await stage.main();
    const supply = new Supply();
    const rows: Row[] = [];
    for (const concurrency of stage.options.concurrencies) {
      for (const batch of stage.options.batches) {
        progress(`${concurrency} at once, batch ${batch}`);
        const rounds: Record<Name, Round[]> = { floor: [], statements: [], http: [] };
        for (let round = 0; round < stage.options.rounds; round++) {
          for (const name of NAMES) rounds[name].push(await one(stage, deployment, supply, name, concurrency, batch));
        }
        rows.push(...rowsOf(rounds, concurrency, batch));
      }
    }
    return rows;
  },
};

async function one(stage: Stage, deployment: Deployment, supply: Supply, name: Name, concurrency: number, batch: number): Promise<Round> {
  const { roundSeconds, longRoundSeconds } = stage.options;
  const seconds = concurrency > 1 && batch === 1 ? longRoundSeconds : roundSeconds;
  const kind = `${name} ${concurrency} ${batch}`;
  const tasks = supply.tasksFor(kind, seconds + WARM_UP_SECONDS);
  const taskQueueId = name === 'floor' ? await stage.fillFloor(tasks) : await stage.fillQueue(deployment, tasks);
  const over = await target(stage, deployment, name);
  const job: Job = { kind: 'cycles', over, taskQueueId, concurrency, batch, seconds, warmUpSeconds: WARM_UP_SECONDS, tasks };
  const round = await stage.perform(job);
  supply.saw(kind, perSecond(round));
  return round;
}

async function target(stage: Stage, { database, services }: Deployment, driver: Name): Promise<Target> {
  if (driver === 'http') return { driver, urls: services.map(({ url }) => url) };
  return { driver, databaseUrl: driver === 'floor' ? (await stage.floor()).url : database.url };
}

function rowsOf(rounds: Record<Name, Round[]>, concurrency: number, batch: number): Row[] {
  return NAMES.map((name) => {
    const round = median(rounds[name]);
    const rates = { 'cycles/s': Math.round(perSecond(round)), '× floor': ratio(rounds[name], rounds.floor) };
    return { scenario: 'cycles', what: DRIVERS[name], concurrency, batch, ...rates, ...round.calls, ...cpuColumns(round) };
  });
}
