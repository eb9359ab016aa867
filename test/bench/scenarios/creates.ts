import type { Job, Target } from '../job.js';
import { cpuColumns, median, perSecond, type Round, type Row, ratio } from '../row.js';
import type { Stage } from '../stage.js';
import { type Scenario, UNBOUNDED, WARM_UP_SECONDS } from './scenario.js';

/** createTask, one task a call, against one insert a call. */
export const creates: Scenario = {
  name: 'creates',
  async run(stage, progress) {
    const rows: Row[] = [];
    for (const concurrency of stage.options.concurrencies) {
      progress(`${concurrency} at once`);
      const [floor, service]: [Round[], Round[]] = [[], []];
      for (let round = 0; round < stage.options.rounds; round++) {
        floor.push(await one(stage, { driver: 'floor', databaseUrl: (await stage.floor()).url }, concurrency));
        service.push(await one(stage, { driver: 'http', urls: [(await stage.main()).services[0]!.url] }, concurrency));
      }
      rows.push(row('floor', concurrency, floor, floor), row('service', concurrency, service, floor));
    }
    return rows;
  },
};

function one(stage: Stage, over: Target, concurrency: number): Promise<Round> {
  const seconds = stage.options.roundSeconds;
  const taskQueueId = stage.newQueue();
  const job: Job = { kind: 'creates', over, taskQueueId, concurrency, batch: 1, seconds, warmUpSeconds: WARM_UP_SECONDS, tasks: UNBOUNDED };
  return stage.perform(job);
}

function row(what: string, concurrency: number, rounds: Round[], floor: Round[]): Row {
  const round = median(rounds);
  const rates = { 'creates/s': Math.round(perSecond(round)), '× floor': ratio(rounds, floor) };
  return { scenario: 'creates', what, concurrency, ...rates, ...round.calls, ...cpuColumns(round) };
}
