import { cpuColumns, perSecond, type Round, type Row } from '../row.js';
import type { Deployment, Stage } from '../stage.js';
import type { Scenario } from './scenario.js';

const TASKS = 15_000;

/** createTasks, as many tasks a request as it may have: on their own, and as a graph. */
export const batches: Scenario = {
  name: 'batches',
  async run(stage, progress) {
    const deployment = await stage.deploy(); // of its own: such requests take memory that the process keeps
    try {
      const rows: Row[] = [];
      for (const dependencies of [0, 4]) {
        progress(`${dependencies} edges a task`);
        rows.push(row(dependencies, await one(stage, deployment, dependencies)));
      }
      return rows;
    } finally {
      await stage.remove(deployment);
    }
  },
};

function one(stage: Stage, { services }: Deployment, dependencies: number): Promise<Round> {
  const over = { driver: 'http' as const, urls: [services[0]!.url] };
  const bounds = { concurrency: 1, batch: 1, seconds: 120, warmUpSeconds: 0, tasks: TASKS };
  return stage.perform({ kind: 'batches', over, taskQueueId: stage.newQueue(), ...bounds, dependencies });
}

function row(dependencies: number, round: Round): Row {
  const columns = { 'tasks a call': 3_000, 'tasks/s': Math.round(perSecond(round)), ...round.calls, ...cpuColumns(round) };
  return { scenario: 'batches', what: `${dependencies} edges a task`, ...columns };
}
