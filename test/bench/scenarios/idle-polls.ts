import { setTimeout as sleep } from 'node:timers/promises';
import { usageOf } from '../processes.js';
import { type Row, rounded } from '../row.js';
import type { Deployment, Stage } from '../stage.js';
import { type Scenario, UNBOUNDED } from './scenario.js';

const POLLS = 1_000;
const SETTLED_AFTER_MS = 12_000; // what the warm-up left is done, and idle connections (10 s) have told Postgres what they did

/**
 * What 1 000 claims cost that wait in vain, over 100 queues, and an idle service without them. Statements are transactions in the
 * service's database (pg_stat_database): those that nobody put into one are one each. Postgres tells them a second late.
 */
export const idlePolls: Scenario = {
  name: 'idle-polls',
  async run(stage, progress) {
    const deployment = await stage.deploy();
    try {
      progress('nobody polls');
      await sleep(SETTLED_AFTER_MS);
      const quiet = await watched(stage, deployment, () => sleep(stage.options.idleSeconds * 400));
      progress(`${POLLS} polls`);
      return [row('nobody polls', quiet), row(`${POLLS} polls`, await polled(stage, deployment))];
    } finally {
      await stage.remove(deployment);
    }
  },
};

interface Watched {
  seconds: number;
  statements: number;
  cpuSeconds: number | undefined;
}

async function polled(stage: Stage, deployment: Deployment): Promise<Watched> {
  const { idleSeconds: seconds } = stage.options;
  let watching: Promise<Watched> | undefined;
  const measuring = () => {
    watching = watched(stage, deployment, () => sleep(seconds * 1000));
  };
  const over = { driver: 'http' as const, urls: [deployment.services[0]!.url] };
  const bounds = { concurrency: POLLS, batch: 1, seconds: seconds + 1, warmUpSeconds: SETTLED_AFTER_MS / 1000, tasks: UNBOUNDED };
  await stage.perform({ kind: 'idle-polls', over, taskQueueId: stage.newQueue(), ...bounds }, { measuring });
  if (!watching) throw new Error('the polls were never measured');
  return watching;
}

async function watched(stage: Stage, { database, services }: Deployment, during: () => Promise<unknown>): Promise<Watched> {
  const look = async () => ({
    at: performance.now(),
    statements: await stage.server.transactions(database),
    cpu: usageOf(services[0]!.pid)?.cpuSeconds,
  });
  const before = await look();
  await during();
  const after = await look();
  const cpuSeconds = before.cpu === undefined || after.cpu === undefined ? undefined : after.cpu - before.cpu;
  return { seconds: (after.at - before.at) / 1000, statements: after.statements - before.statements, cpuSeconds };
}

function row(what: string, { seconds, statements, cpuSeconds }: Watched): Row {
  const cpu = cpuSeconds === undefined ? undefined : rounded((cpuSeconds / seconds) * 100, 1);
  return {
    scenario: 'idle-polls',
    what,
    seconds: Math.round(seconds),
    'service, % of a core': cpu,
    'statements/s': rounded(statements / seconds, 1),
  };
}
