import type { Job } from '../job.js';
import { cpuColumns, joined, median, perSecond, type Round, type Row, ratio } from '../row.js';
import type { Deployment, Stage } from '../stage.js';
import { type Scenario, STEADY, WARM_UP_SECONDS } from './scenario.js';
import { Supply } from './supply.js';

/** So few are gone within a second. */
const SHORT = 1_000;
const MOST_FILLS = 6;

interface Depth {
  pending: number;
  deployment: Deployment;
  /** A deep queue is filled once. A short one is filled to twice its depth and emptied, until that makes a round. */
  taskQueueId?: string;
  rounds: Round[];
}

/**
 * Cycles with so many tasks pending in the queue. Each depth is a service and a database of its own, on the one Postgres, so that they
 * can take turns.
 */
export const pending: Scenario = {
  name: 'pending',
  async run(stage, progress) {
    const depths: Depth[] = [];
    try {
      for (const number of stage.options.pending) {
        progress(`${number.toLocaleString('en')} tasks are made`);
        depths.push(await depth(stage, number));
      }
      await stage.server.checkpoint();
      progress('cycles at each depth in turn');
      const supply = new Supply();
      for (let round = 0; round < stage.options.rounds + 1; round++) {
        for (const each of depths) each.rounds.push(await (each.taskQueueId ? deep(stage, each, supply) : short(stage, each)));
      }
      return depths.map((each) => row(each, depths[0]!));
    } finally {
      for (const { deployment } of depths) await stage.remove(deployment);
    }
  },
};

async function depth(stage: Stage, number: number): Promise<Depth> {
  const deployment = await stage.deploy();
  if (number <= SHORT) return { pending: number, deployment, rounds: [] };
  return { pending: number, deployment, taskQueueId: await stage.fillQueue(deployment, number), rounds: [] };
}

async function deep(stage: Stage, { deployment, taskQueueId = '' }: Depth, supply: Supply): Promise<Round> {
  const seconds = stage.options.roundSeconds;
  const tasks = supply.tasksFor('cycles', seconds + WARM_UP_SECONDS);
  const round = await stage.perform({ ...job(deployment, taskQueueId, tasks), seconds, warmUpSeconds: WARM_UP_SECONDS });
  supply.saw('cycles', perSecond(round));
  return round;
}

async function short(stage: Stage, { pending, deployment }: Depth): Promise<Round> {
  const rounds: Round[] = [];
  for (let fill = 0; fill < MOST_FILLS && joinedSeconds(rounds) < stage.options.roundSeconds; fill++) {
    const taskQueueId = await stage.fillQueue(deployment, 2 * pending);
    rounds.push(await stage.perform({ ...job(deployment, taskQueueId, 2 * pending), seconds: 10, warmUpSeconds: 0.1 }));
  }
  return joined(rounds);
}

function joinedSeconds(rounds: readonly Round[]): number {
  return rounds.reduce((sum, { seconds }) => sum + seconds, 0);
}

function job({ services }: Deployment, taskQueueId: string, tasks: number): Omit<Job, 'seconds' | 'warmUpSeconds'> {
  return { kind: 'cycles', over: { driver: 'http', urls: [services[0]!.url] }, taskQueueId, ...STEADY, tasks };
}

/** The first round is for warming up. */
function row({ pending, rounds }: Depth, least: Depth): Row {
  const settled = rounds.slice(1);
  const round = median(settled);
  const rates = { 'cycles/s': Math.round(perSecond(round)), '× least': ratio(settled, least.rounds.slice(1)) };
  return {
    scenario: 'pending',
    what: `${pending.toLocaleString('en')} pending`,
    ...STEADY,
    ...rates,
    ...round.calls,
    ...cpuColumns(round),
  };
}
