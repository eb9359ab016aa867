import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { Bubblewrap } from '../../src/worker/sandbox/bubblewrap.js';
import { closeInherited } from '../../src/worker/sandbox/close-inherited.js';
import type { RunningStep } from '../../src/worker/sandbox/isolation.js';
import type { SandboxEnd, WantedStep } from './sandboxes.js';

/* In the place of a task's supervisor: runs the steps that it is given on standard input, and prints a line of JSON on how each one ended. */

closeInherited();
for (const step of JSON.parse(readFileSync(0, 'utf8')) as WantedStep[]) console.log(JSON.stringify(await run(step)));

async function run({ orders = [], ...step }: WantedStep): Promise<SandboxEnd> {
  const fifo = `${step.places.results}/../output-${process.hrtime.bigint()}`;
  spawnSync('mkfifo', [fifo]);
  const reader = new Socket({ fd: openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK) });
  const writer = openSync(fifo, 'w');
  const running = new Bubblewrap(step.settings).start({ ...step, output: writer });
  const heard = listen(reader, running, [...orders]);
  const end = await running.ended;
  const survivors = others();
  closeSync(writer);
  const output = await heard;
  return { ...end, took: end.finishedAt.getTime() - (end.startedAt?.getTime() ?? 0), survivors, output };
}

/** Gives each order once its word was printed. */
async function listen(reader: Socket, running: RunningStep, orders: NonNullable<WantedStep['orders']>): Promise<string> {
  let output = '';
  for await (const part of reader) {
    output += part;
    while (orders[0] && output.includes(orders[0].when)) running[orders.shift()!.give]();
  }
  return output;
}

/** Words of all processes here but this one: /proc is that of our own namespace. Nobody asks how those ended that we did not start. */
function others(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .flatMap((pid) => {
      try {
        return /^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')) ? [] : [readFileSync(`/proc/${pid}/cmdline`, 'utf8')];
      } catch {
        return [];
      }
    });
}
