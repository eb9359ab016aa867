import { usageOf } from '../processes.js';
import { perSecond, type Row, rounded } from '../row.js';
import { type Scenario, UNBOUNDED } from './scenario.js';

const CONCURRENCY = 32;

/** Whole lives of tasks (create, claim, reclaim, complete) for BENCH_SOAK seconds (600), and the memory of the service each minute. */
export const soak: Scenario = {
  name: 'soak',
  async run(stage, progress) {
    const deployment = await stage.deploy();
    const { soakSeconds } = stage.options;
    const rows: Row[] = [];
    const look = (done: number, at: number) => {
      const memory = usageOf(deployment.services[0]!.pid)?.rssMegabytes;
      const minute = Math.round(at / 60);
      progress(`${Math.round(at)} of ${soakSeconds} s`);
      if (memory === undefined || at < rows.length * 60) return;
      const ratio = rounded(memory / Number(rows[0]?.['RSS, MB'] ?? memory));
      rows.push({ scenario: 'soak', what: `minute ${minute}`, tasks: done, 'RSS, MB': Math.round(memory), '× first': ratio });
    };
    try {
      const over = { driver: 'http' as const, urls: [deployment.services[0]!.url] };
      const bounds = { concurrency: CONCURRENCY, batch: 1, seconds: soakSeconds, warmUpSeconds: 15, tasks: UNBOUNDED };
      const round = await stage.perform({ kind: 'lives', over, taskQueueId: stage.newQueue(), ...bounds }, { progress: look });
      look(round.done, Math.max(round.seconds, rows.length * 60));
      return [...rows, { scenario: 'soak', what: 'tasks/s', tasks: round.done, 'tasks/s': Math.round(perSecond(round)) }];
    } finally {
      await stage.remove(deployment);
    }
  },
};
