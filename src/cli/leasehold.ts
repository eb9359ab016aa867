#!/usr/bin/env node
import type { Environment } from './access.js';
import { CommandError } from './command-error.js';
import type { Outcome } from './signatures/options.js';

/* `leasehold <verb> …`: what workers are, and what is asked about their runs. */

const USAGE = `Usage: leasehold <verb> …   [--json]

  worker --config <file> [--isolation bubblewrap|none]
      claims tasks and runs them, until SIGTERM or SIGINT: then it claims nothing more, and lets what runs come to its end. A second one
      ends it at once. On a terminal it shows what runs; else it prints a line of JSON for each event. --isolation goes before what the
      file says
  verify-run <taskId> --keys <key set> [--run <number>] [--definition]
      whether the receipt of a run is signed by a key of the set, and all that it tells is what the service has. By default the last run.
      TASKCLUSTER_ROOT_URL names the service, _CLIENT_ID and _ACCESS_TOKEN as whom it is called; without them, as anybody
  verify-run --bundle <receipt file|-> --keys <key set>
      the same of a receipt alone, without a service

  Exit code 0: done, or good. 1: refused, or not good. 2: wrong words, or a file that cannot be used.
  docs/receipts.md has more.`;

interface Verb {
  /** What is to be printed, unless it has printed by itself. */
  run(words: string[], environment: Environment): Promise<Outcome | undefined>;
}

/** Each is loaded only where it is asked for. */
const VERBS: Record<string, () => Promise<Verb>> = {
  worker: () => import('./leasehold/worker.js'),
  'verify-run': () => import('./leasehold/verify-run.js'),
};

async function main([verb = '', ...words]: string[]): Promise<void> {
  if (verb === 'help' || verb === '--help') return console.log(USAGE);
  if (!Object.hasOwn(VERBS, verb)) throw new CommandError(USAGE, 2);
  const { run } = await VERBS[verb]!();
  const outcome = await run(words, process.env);
  if (!outcome) return;
  console.log(words.includes('--json') ? JSON.stringify(outcome.json, null, 2) : outcome.text);
  process.exitCode = outcome.exitCode ?? 0;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof CommandError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
