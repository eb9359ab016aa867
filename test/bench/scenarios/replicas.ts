import type { Job } from '../job.js';
import { cpuColumns, median, perSecond, type Round, type Row, ratio } from '../row.js';
import type { Deployment, Stage } from '../stage.js';
import { type Scenario, WARM_UP_SECONDS } from './scenario.js';
import { Supply } from './supply.js';

const CONCURRENCY = 32;

/** A way to run several processes of the service: so many replicas, each with these settings. */
interface Arrangement {
  what: string;
  replicas: number;
  settings: Record<string, string>;
}

const ARRANGEMENTS: Arrangement[] = [
  { what: '1 process', replicas: 1, settings: {} },
  { what: '2 replicas', replicas: 2, settings: {} },
  { what: 'CLUSTER=2', replicas: 1, settings: { CLUSTER: '2' } },
];

/** Cycles over several processes. Each arrangement has a database of its own, on the one Postgres, so that they can take turns. */
export const replicas: Scenario = {
  name: 'replicas',
  async run(stage, progress) {
    const deployments: Deployment[] = [];
    try {
      for (const arrangement of ARRANGEMENTS) deployments.push(await deploy(stage, arrangement));
      const rows: Row[] = [];
      for (const batch of stage.options.batches) {
        progress(`batch ${batch}`);
        rows.push(...(await compared(stage, deployments, batch)));
      }
      return rows;
    } finally {
      for (const deployment of deployments) await stage.remove(deployment);
    }
  },
};

async function deploy(stage: Stage, { replicas, settings }: Arrangement): Promise<Deployment> {
  const deployment = await stage.deploy(settings);
  for (let more = 1; more < replicas; more++) await stage.addService(deployment, settings);
  return deployment;
}

async function compared(stage: Stage, deployments: Deployment[], batch: number): Promise<Row[]> {
  const supply = new Supply();
  const rounds: Round[][] = deployments.map(() => []);
  for (let round = 0; round < stage.options.rounds; round++) {
    for (const [index, deployment] of deployments.entries()) rounds[index]!.push(await one(stage, deployment, supply, batch));
  }
  return rounds.map((all, index) => {
    const round = median(all);
    const columns = { 'cycles/s': Math.round(perSecond(round)), '× one': ratio(all, rounds[0]!) };
    const { what } = ARRANGEMENTS[index]!;
    return { scenario: 'replicas', what, concurrency: CONCURRENCY, batch, ...columns, ...round.calls, ...cpuColumns(round) };
  });
}

async function one(stage: Stage, deployment: Deployment, supply: Supply, batch: number): Promise<Round> {
  const seconds = stage.options.roundSeconds;
  const tasks = supply.tasksFor('cycles', seconds + WARM_UP_SECONDS);
  const job: Job = {
    kind: 'cycles',
    over: { driver: 'http', urls: deployment.services.map(({ url }) => url) },
    taskQueueId: await stage.fillQueue(deployment, tasks),
    concurrency: CONCURRENCY,
    batch,
    seconds,
    warmUpSeconds: WARM_UP_SECONDS,
    tasks,
  };
  const round = await stage.perform(job);
  supply.saw('cycles', perSecond(round));
  return round;
}
