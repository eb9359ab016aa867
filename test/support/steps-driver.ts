import { createInterface } from 'node:readline';
import type { Job, Order } from '../../src/worker/steps/job.js';
import { jsonLine } from '../../src/worker/steps/json-line.js';
import { runSteps } from '../../src/worker/steps/supervised-task.js';

/*
 * Runs the steps of one job as a worker would, for tests: as another user, and in a process of its own, which can be killed. It is told in
 * lines of JSON on standard input, and tells all that happens on standard output.
 */

type Command = { job: Job; slow?: number } | { stop: Order } | { kill: true };

const tell = (what: object) => process.stdout.write(jsonLine(what));
const lines = createInterface({ input: process.stdin });
lines.once('line', (first) => {
  const { job, slow = 0 } = JSON.parse(first) as { job: Job; slow?: number };
  const task = runSteps(job, {
    log: (chunk) => {
      tell({ log: chunk.toString('base64') });
      return slow === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, slow));
    },
    told: (told) => tell({ told }),
    diagnose: (line) => tell({ diagnosis: line }),
  });
  tell({ pid: task.pid });
  lines.on('line', (line) => {
    const command = JSON.parse(line) as Command;
    if ('stop' in command) task.stop(command.stop);
    if ('kill' in command) task.kill();
  });
  void task.done.then((outcome) => {
    tell({ outcome });
    process.exitCode = 0;
    lines.close();
    process.stdin.destroy();
  });
});
