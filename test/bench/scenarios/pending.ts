import type { Job } from '../job.js';
import { cpuColumns, joined, median, perSecond, type Round, type Row, ratio } from '../row.js';
import type { Deployment, Stage } from '../stage.js';
import { type Scenario, STEADY } from './scenario.js';

/** So few are gone within a second: a queue of so many is filled to twice that and emptied. */
const SHORT = 1_000;
/** Added ahead of each load, and taken by it, at each depth: it ends as deep as it began. */
const ADDED = 2 * SHORT;
const MOST_LOADS = 6;
/** Two thousand must last longer. */
const WARM_UP_SECONDS = 0.3;

interface Depth {
  pending: number;
  deployment: Deployment;
  /** Of a deep queue; a short one is a new one each time. */
  taskQueueId?: string;
  rounds: Round[];
}

/**
 * Cycles with so many tasks pending in the queue. Each depth is a service and a database of its own, on the one Postgres, so that they
 * can take turns. What is inserted and how it is warmed up is the same at each, so that nothing but the depth differs.
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
      for (let round = 0; round < stage.options.rounds + 1; round++) {
        for (const each of depths) each.rounds.push(await oneRound(stage, each));
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

async function oneRound(stage: Stage, depth: Depth): Promise<Round> {
  const rounds: Round[] = [];
  for (let load = 0; load < MOST_LOADS && joinedSeconds(rounds) < stage.options.roundSeconds; load++) {
    const taskQueueId = depth.taskQueueId ?? stage.newQueue();
    await stage.topUp(depth.deployment, taskQueueId, ADDED);
    rounds.push(await stage.perform(job(depth.deployment, taskQueueId)));
  }
  return joined(rounds);
}

function joinedSeconds(rounds: readonly Round[]): number {
  return rounds.reduce((sum, { seconds }) => sum + seconds, 0);
}

function job({ services }: Deployment, taskQueueId: string): Job {
  const over = { driver: 'http' as const, urls: [services[0]!.url] };
  return { kind: 'cycles', over, taskQueueId, ...STEADY, tasks: ADDED, seconds: 10, warmUpSeconds: WARM_UP_SECONDS };
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
