import { cpuColumns, perSecond, type Row } from '../row.js';
import type { Scenario } from './scenario.js';

const TASKS = 15_000;

/** createTasks, as many tasks a request as it may have: on their own, and as a graph. */
export const batches: Scenario = {
  name: 'batches',
  async run(stage, progress) {
    const { services } = await stage.main();
    const rows: Row[] = [];
    for (const dependencies of [0, 4]) {
      progress(`${dependencies} edges a task`);
      const round = await stage.perform({
        kind: 'batches',
        over: { driver: 'http', urls: [services[0]!.url] },
        taskQueueId: stage.newQueue(),
        concurrency: 1,
        batch: 1,
        seconds: 120,
        warmUpSeconds: 0,
        tasks: TASKS,
        dependencies,
      });
      const columns = { 'tasks a call': 3_000, 'tasks/s': Math.round(perSecond(round)), ...round.calls, ...cpuColumns(round) };
      rows.push({ scenario: 'batches', what: `${dependencies} edges a task`, ...columns });
    }
    return rows;
  },
};
