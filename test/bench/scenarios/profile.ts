import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { charged } from '../cpu-profile.js';
import { type Row, rounded } from '../row.js';
import type { Scenario } from './scenario.js';

const CONCURRENCY = 32;
const TASKS = 12_000;
const SECONDS = 6;
/** What came before the second half is the start, and not compiled yet. */
const FROM = 0.6;

/** Where a process of the service spends its time on cycles, 32 at once. To sample slows it down: only the shares are worth anything. */
export const profile: Scenario = {
  name: 'profile',
  async run(stage, progress) {
    const directory = path.join(stage.directory, 'profile');
    mkdirSync(directory);
    const deployment = await stage.deploy({}, ['--cpu-prof', `--cpu-prof-dir=${directory}`]);
    try {
      const over = { driver: 'http' as const, urls: deployment.services.map(({ url }) => url) };
      const taskQueueId = await stage.fillQueue(deployment, TASKS);
      progress(`${SECONDS} s`);
      await stage.perform({
        kind: 'cycles',
        over,
        taskQueueId,
        concurrency: CONCURRENCY,
        batch: 1,
        seconds: SECONDS,
        warmUpSeconds: 3,
        tasks: TASKS,
      });
    } finally {
      await stage.remove(deployment); // which writes it
    }
    const times = charged(path.join(directory, readdirSync(directory)[0]!), FROM);
    rmSync(directory, { recursive: true });
    return shares(times);
  },
};

function shares(times: [owner: string, microseconds: number][]): Row[] {
  const busy = times.filter(([owner]) => owner !== '(idle)');
  const sum = busy.reduce((all, [, time]) => all + time, 0);
  const rows = busy.map(([what, time]) => ({ scenario: 'profile', what, '% of its time': rounded((time / sum) * 100, 1) }));
  return rows.filter((row) => row['% of its time'] >= 0.5);
}
