import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import path from 'node:path';
import { ClaimRefused, HOLD_BACK } from '../../src/worker/claims/claim-refused.js';
import type { QueuesWord } from '../../src/worker/claims/queues-word.js';
import type { Run } from '../../src/worker/claims/seen-runs.js';
import { refusalReport, verdictReport } from '../../src/worker/claims/verdict-report.js';
import { type ClearedTask, type Terms, verifyClaim } from '../../src/worker/claims/verify-claim.js';
import { runEnvironment } from '../../src/worker/payload/run-environment.js';

interface Surroundings {
  terms: () => Terms;
  /** In which each run gets a directory of its own. */
  root: string;
  /** How the queue is told. */
  report: (
    run: Run & { queue: QueuesWord | undefined },
    what: 'signature' | 'completed' | 'failed' | 'exception',
    body?: object,
  ) => unknown;
  log: (line: string) => void;
}

/** The least that runs tasks: it checks a claim, says so, and starts `payload.command`, a program and its words, in a new directory. */
export class SmallWorker {
  /** Unix seconds: it asks for no work before that. */
  heldBackUntil = 0;

  constructor(private readonly surroundings: Surroundings) {}

  async take(claim: unknown): Promise<void> {
    const { terms, report, log } = this.surroundings;
    let task: ClearedTask;
    try {
      task = verifyClaim(claim, terms());
    } catch (error) {
      if (!(error instanceof ClaimRefused)) throw error;
      const { run, elsewhere, ownFault, message } = error;
      log(`${run?.taskId}/${run?.runId} is refused: ${message}`);
      if (elsewhere) this.heldBackUntil = terms().now + HOLD_BACK;
      if (ownFault) this.heldBackUntil = Number.POSITIVE_INFINITY;
      const body = refusalReport(error);
      if (run && body) await report({ ...run, queue: error.queue }, 'exception', body);
      return;
    }
    log(`${task.taskId}/${task.runId} is ${task.verdict}`);
    await report(task, 'signature', verdictReport(task));
    await this.run(task);
  }

  private async run(task: ClearedTask): Promise<void> {
    const { root, report, log } = this.surroundings;
    const [program, ...args] = commandOf(task);
    if (program === undefined) return void (await report(task, 'exception', { reason: 'malformed-payload' }));
    const worker = { TASK_ID: task.taskId, RUN_ID: String(task.runId) };
    const env = runEnvironment(task.definition, { worker, hostNames: ['PATH'], host: process.env });
    const child = spawn(program, args, { cwd: await mkdtemp(path.join(root, 'run-')), env, stdio: 'ignore' });
    const [code] = await once(child, 'exit');
    log(`${task.taskId}/${task.runId} ended with ${code}`);
    await report(task, code === 0 ? 'completed' : 'failed');
  }
}

function commandOf({ definition }: ClearedTask): string[] {
  const { command } = (definition.payload ?? {}) as { command?: unknown };
  return Array.isArray(command) && command.every((word) => typeof word === 'string') ? command : [];
}
