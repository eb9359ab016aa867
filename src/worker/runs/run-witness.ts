import { writeFileSync } from 'node:fs';
import { ArtifactError } from '../artifacts/artifact-error.js';
import type { LogDigest } from '../artifacts/live-log.js';
import type { RunArtifacts } from '../artifacts/run-artifacts.js';
import { verdictReport } from '../claims/verdict-report.js';
import { makeReceipt } from '../receipt/make-receipt.js';
import type { LeftBytes, RunFacts } from '../receipt/run-facts.js';
import { lentScopes, scopesUsed } from '../receipt/run-scopes.js';
import type { RunNames } from './run-names.js';
import type { RunRecord } from './run-record.js';
import type { Ended, TaskRunParts } from './task-run.js';

const RECEIPT_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

type Parts = TaskRunParts & { artifacts: RunArtifacts; names: RunNames };

/** What a run left, and what it printed. */
interface Left {
  artifacts: readonly LeftBytes[];
  log: LogDigest;
}

/** Leaves what the worker itself has to say of a run. */
export class RunWitness {
  constructor(private readonly parts: Parts) {}

  async leaveRecord(ended: Ended, missingArtifacts: RunRecord['missingArtifacts']): Promise<LeftBytes> {
    const { directory, names } = this.parts;
    const { taskId, runId, taskQueueId, worker, isolation, verdict } = this.#run;
    const { startedAt, finishedAt, outcome, credentialsLent } = ended;
    const record: RunRecord = {
      ...{ version: 1, taskId, runId, taskQueueId, worker, isolation, signature: verdict, startedAt, finishedAt },
      ...{
        outcome: outcome.outcome,
        steps: outcome.steps,
        results: outcome.results,
        missingArtifacts,
        ...(credentialsLent && { credentialsLent }),
      },
    };
    return this.#leave(names.record, directory.record, `${JSON.stringify(record, null, 2)}\n`, 'application/json');
  }

  /** Without a key there is none. What fails costs the receipt, and not the run, unless it is that nothing can be kept: ArtifactError. */
  async leaveReceipt(ended: Ended, left: Left): Promise<void> {
    const { directory, names, setting } = this.parts;
    if (!setting.receiptKey) return;
    try {
      const receipt = await makeReceipt(await this.#facts(ended, left), setting.receiptKey);
      await this.#leave(names.receipt, directory.receipt, JSON.stringify(receipt), RECEIPT_TYPE);
    } catch (error) {
      if (error instanceof ArtifactError) throw error;
      this.parts.log.warn('There is no receipt of the run', { why: (error as Error).message });
    }
  }

  async #facts(ended: Ended, { artifacts, log }: Left): Promise<RunFacts> {
    const { task, keeper, names } = this.parts;
    const { startedAt, finishedAt, outcome, lastUse, credentialsLent } = ended;
    const dropped = outcome.steps.reduce((sum, { output }) => sum + output.dropped, log.dropped);
    const [asked, lent, used] = [scopesOf(task.definition), lentScopes(keeper.credentials), await scopesUsed(keeper.client, lastUse)];
    return {
      ...{ ...this.#run, definition: task.definition, startedAt, finishedAt, outcome, artifacts },
      ...(credentialsLent && { credentialsLent }),
      log: { name: names.log, sha256: log.sha256, bytes: log.bytes, dropped },
      scopes: { asked, ...(lent && { lent }), ...(used && { used }) },
    };
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
