import { writeFileSync } from 'node:fs';
import type { LogDigest } from '../artifacts/live-log.js';
import type { RunArtifacts } from '../artifacts/run-artifacts.js';
import { verdictReport } from '../claims/verdict-report.js';
import { makeReceipt } from '../receipt/make-receipt.js';
import { ReceiptError } from '../receipt/receipt-error.js';
import type { LeftBytes } from '../receipt/run-facts.js';
import { lentScopes, scopesUsed } from '../receipt/run-scopes.js';
import type { RunNames } from './run-names.js';
import type { RunRecord } from './run-record.js';
import type { Ended, TaskRunParts } from './task-run.js';

const RECEIPT_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

type Parts = TaskRunParts & { artifacts: RunArtifacts; names: RunNames };

/** Leaves what the worker itself has to say of a run. */
export class RunWitness {
  constructor(private readonly parts: Parts) {}

  async leaveRecord(ended: Ended, missingArtifacts: RunRecord['missingArtifacts']): Promise<LeftBytes> {
    const { directory, names } = this.parts;
    const { taskId, runId, taskQueueId, worker, isolation, verdict } = this.#run;
    const { startedAt, finishedAt, outcome } = ended;
    const record: RunRecord = {
      ...{ version: 1, taskId, runId, taskQueueId, worker, isolation, signature: verdict, startedAt, finishedAt },
      ...{ outcome: outcome.outcome, steps: outcome.steps, results: outcome.results, missingArtifacts },
    };
    return this.#leave(names.record, directory.record, `${JSON.stringify(record, null, 2)}\n`, 'application/json');
  }

  /** Without a key there is none. */
  async leaveReceipt(ended: Ended, { artifacts, log }: { artifacts: readonly LeftBytes[]; log: LogDigest }): Promise<void> {
    const { task, keeper, directory, names, setting } = this.parts;
    if (!setting.receiptKey) return;
    const { startedAt, finishedAt, outcome, lastUse } = ended;
    const dropped = outcome.steps.reduce((sum, { output }) => sum + output.dropped, log.dropped);
    const [asked, lent, used] = [scopesOf(task.definition), lentScopes(keeper.credentials), await scopesUsed(keeper.client, lastUse)];
    const facts = {
      ...{ ...this.#run, definition: task.definition, startedAt, finishedAt, outcome, artifacts },
      log: { name: names.log, sha256: log.sha256, bytes: log.bytes, dropped },
      scopes: { asked, ...(lent && { lent }), ...(used && { used }) },
    };
    try {
      const receipt = await makeReceipt(facts, setting.receiptKey);
      await this.#leave(names.receipt, directory.receipt, JSON.stringify(receipt), RECEIPT_TYPE);
    } catch (error) {
      if (!(error instanceof ReceiptError)) throw error;
      this.parts.log.warn('There is no receipt of the run', { why: error.message });
    }
  }

  get #run() {
    const { task, taskQueueId, setting } = this.parts;
    const { taskId, runId } = task;
    const { workerGroup: group, workerId: id, isolation } = setting.config;
    return { taskId, runId, taskQueueId, worker: { group, id }, isolation, verdict: verdictReport(task) };
  }

  async #leave(name: string, file: string, text: string, contentType: string): Promise<LeftBytes> {
    writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
    return { name, ...(await this.parts.artifacts.putFile(name, { file, contentType })) };
  }
}

/** What the task asks for. */
export const scopesOf = ({ scopes }: { scopes?: unknown }): string[] =>
  Array.isArray(scopes) ? scopes.filter((scope) => typeof scope === 'string') : [];
