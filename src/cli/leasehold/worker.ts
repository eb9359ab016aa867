import { parseArgs } from 'node:util';
import { readWorkerConfig, type WorkerConfig } from '../../worker/config/config.js';
import { asJson, asText, type Log, logTo } from '../../worker/log.js';
import { Progress } from '../../worker/progress.js';
import { closeInherited } from '../../worker/sandbox/close-inherited.js';
import type { IsolationName } from '../../worker/sandbox/isolation.js';
import { IsolationUnavailable } from '../../worker/sandbox/isolation-unavailable.js';
import { SetupError } from '../../worker/state/setup-error.js';
import { Worker } from '../../worker/worker.js';
import type { Environment } from '../access.js';
import { CommandError } from '../command-error.js';

const ISOLATIONS: readonly IsolationName[] = ['bubblewrap', 'none'];

/** Runs a worker until it is told to end: SIGTERM or SIGINT, and at once where another one comes. */
export async function run(args: string[], environment: Environment): Promise<undefined> {
  closeInherited();
  const { file, isolation } = wordsOf(args);
  process.stdout.on('error', () => undefined); // who read the log is gone; the tasks are not to suffer for that
  try {
    const config = readWorkerConfig(file, isolation);
    const { log, progress } = shown(config);
    const worker = await Worker.open(config, { environment, log, progress });
    onSignals(worker);
    await worker.run();
    process.exit(); // whatever is still under way: it was told to end
  } catch (error) {
    if (error instanceof IsolationUnavailable) throw new CommandError(`${error.code}: ${error.message}`);
    if (error instanceof SetupError) throw new CommandError(error.message, 2);
    throw error;
  }
}

function wordsOf(args: string[]): { file: string; isolation: IsolationName | undefined } {
  const options = { config: { type: 'string' }, isolation: { type: 'string' } } as const;
  try {
    const { config, isolation } = parseArgs({ args, options }).values;
    if (!config) throw new TypeError('--config is missing; name the file of a configuration');
    const name = ISOLATIONS.find((one) => one === isolation);
    if (isolation !== undefined && !name) throw new TypeError(`--isolation is one of ${ISOLATIONS.join(', ')}`);
    return { file: config, isolation: name };
  } catch (error) {
    throw new CommandError(`${(error as Error).message}; see leasehold help`, 2);
  }
}

/** A table of what runs for who sits at a terminal; a line of JSON for each event for all others. */
function shown({ capacity }: WorkerConfig): { log: Log; progress: Progress } {
  if (!process.stdout.isTTY)
    return { log: logTo((entry) => process.stdout.write(`${asJson(entry)}\n`)), progress: new Progress(undefined, capacity) };
  const progress = new Progress(process.stdout, capacity);
  return { log: logTo((entry) => progress.print(asText(entry))), progress };
}

function onSignals(worker: Worker): void {
  let signals = 0;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.on(signal, () => (signals++ === 0 ? worker.drain() : worker.endAtOnce()));
}
