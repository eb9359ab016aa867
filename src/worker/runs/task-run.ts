import { ArtifactError } from '../artifacts/artifact-error.js';
import { type Collection, collectArtifacts } from '../artifacts/collect-artifacts.js';
import { redactedIn } from '../artifacts/redacted-in.js';
import { RunArtifacts } from '../artifacts/run-artifacts.js';
import type { ClaimKeeper } from '../claims/claim-keeper.js';
import type { ClearedTask } from '../claims/verify-claim.js';
import type { Log } from '../log.js';
import { mayHaveCredentials } from '../payload/lent-credentials.js';
import { MalformedPayload } from '../payload/malformed-payload.js';
import { parsePayload } from '../payload/parse-payload.js';
import type { Payload } from '../payload/payload.js';
import type { ShownRun } from '../progress.js';
import type { Job, Outcome, Told } from '../steps/job.js';
import { assertRunsHere, NotHere } from './not-here.js';
import type { ExceptionReason, Report } from './report-run.js';
import { runJob } from './run-job.js';
import { RunLog } from './run-log.js';
import { runNames } from './run-names.js';
import { openRunProxy, type RunProxy } from './run-proxy.js';
import type { RunRedactor } from './run-redactor.js';
import type { RunSetting } from './run-setting.js';
import { RunWitness, scopesOf } from './run-witness.js';
import { StoppableSteps } from './stoppable-steps.js';
import type { TaskDir } from './task-dir.js';

export interface TaskRunParts {
  task: ClearedTask;
  taskQueueId: string;
  keeper: ClaimKeeper;
  directory: TaskDir;
  redactor: RunRedactor;
  shown: ShownRun;
  setting: RunSetting;
  log: Log;
}

const exception = (reason: ExceptionReason): Report => ({ what: 'exception', body: { reason } });

/** One run, in a directory of its own, from its payload to what is to be reported of it. */
export class TaskRun {
  readonly #artifacts: RunArtifacts;
  readonly #runLog: RunLog;
  readonly #names;

  constructor(private readonly parts: TaskRunParts) {
    const { task, keeper, directory, redactor, setting, log } = parts;
    this.#names = runNames(task.definition);
    const expires = String(task.definition.expires);
    this.#artifacts = new RunArtifacts({ client: keeper.client, taskId: task.taskId, runId: task.runId, expires });
    this.#runLog = new RunLog({
      ...{ file: directory.log, mostBytes: setting.config.log.maxBytes, redactor, server: setting.liveLogs },
      ...{ artifacts: this.#artifacts, names: this.#names, log },
    });
  }

  /** Answers what is to be reported, if anything is. Rejects only where the worker itself has failed. */
  async toItsEnd(): Promise<Report | undefined> {
    try {
      await this.#begin();
      return await this.#worked();
    } catch (error) {
      const refused = refusal(error);
      if (refused === undefined) throw error;
      await this.#note(refused.text);
      await this.#keepLog();
      return refused.report;
    } finally {
      await this.#runLog.close();
    }
  }

  async #begin(): Promise<void> {
    const { task, setting } = this.parts;
    const { workerGroup, workerId, isolation } = setting.config;
    await this.#note(`run ${task.runId} of task ${task.taskId} on ${workerGroup}/${workerId}; signature: ${task.verdict}`);
    await this.#note(isolation === 'none' ? 'isolation: NONE; steps can do whatever the worker can' : `isolation: ${isolation}`);
    await this.#runLog.publish();
  }

  async #worked(): Promise<Report | undefined> {
    const { task, setting } = this.parts;
    const payload = parsePayload(task.definition);
    const lendsCredentials = mayHaveCredentials(payload, task.definition.scopes);
    assertRunsHere(payload, setting.config);
    const job = this.#job(payload);
    const startedAt = new Date().toISOString();
    const proxy = await this.#proxy(job, lendsCredentials);
    const outcome = await this.#steps(job).finally(() => proxy?.close());
    const finishedAt = new Date().toISOString();
    await this.#tell(outcome);
    const ended = { startedAt, finishedAt, outcome, lastUse: proxy?.lastUse() ?? 0, credentialsLent: proxy?.credentialsLent() ?? false };
    const interrupted = this.#interrupted(outcome);
    return interrupted ? this.#afterInterruption(ended, interrupted.report) : this.#afterSteps(payload, ended);
  }

  #job(payload: Payload): Job {
    const { redactor, setting } = this.parts;
    const job = runJob(payload, this.parts);
    if (setting.config.isolation !== 'none') redactor.addSecrets(Object.values(job.secrets)); // without, all of them are redacted already
    return job;
  }

  async #proxy({ proxy }: Job, lendsCredentials: boolean): Promise<RunProxy | undefined> {
    if (proxy === undefined) return undefined;
    const { task, keeper, setting } = this.parts;
    const { workerGroup, workerId } = setting.config;
    const run = { ...task, workerGroup, workerId };
    const where = { socketPath: proxy.socketPath, config: setting.config, keeper, run, definitionScopes: scopesOf(task.definition) };
    return openRunProxy({ ...where, lendsCredentials }, (line) => void this.#note(line));
  }

  #steps(job: Job): Promise<Outcome> {
    const { keeper, setting, log } = this.parts;
    const listener = {
      log: (chunk: Buffer) => this.#runLog.write(chunk),
      told: (told: Told) => this.#hear(told),
      diagnose: (line: string) => log.warn(`The supervisor says: ${line}`),
    };
    return new StoppableSteps(job, listener).under(keeper, setting.hurry);
  }

  #hear(told: Told): void {
    const { shown, log } = this.parts;
    if (told.told === 'step-started') {
      shown.doing = told.name;
      shown.since = performance.now();
      log.info('A step has started', { step: told.name });
    }
    if (told.told !== 'step-ended') return;
    const { name, reason, exitCode, detail } = told.step;
    log.info('A step has ended', { step: name, reason, exitCode, detail });
  }

  async #tell({ outcome }: Outcome): Promise<void> {
    this.#nowDoing('(leaving artifacts)');
    const { why } = this.parts.keeper;
    await this.#note(`the task has ${outcome}${why ? `: ${why.detail}` : ''}`);
  }

  /** What has become of a run that was not let to its end. Steps that were over before are as good as they are. */
  #interrupted({ outcome }: Outcome): { report: Report | undefined } | undefined {
    const { keeper } = this.parts;
    if (keeper.lost.aborted) return { report: undefined };
    if (outcome === 'stopped' && keeper.stopped.aborted) return { report: exception('worker-shutdown') };
    return outcome === 'broken' || outcome === 'stopped' ? { report: exception('intermittent-task') } : undefined;
  }

  /** Its artifacts are not collected: who stopped it does not wait for them. */
  async #afterInterruption(ended: Ended, report: Report | undefined): Promise<Report | undefined> {
    try {
      await this.#witness(ended, { artifacts: [], missing: [] });
    } catch (error) {
      if (!(error instanceof ArtifactError)) throw error;
      this.parts.log.warn('There is no record of the run', { why: error.message });
    }
    return report;
  }

  async #afterSteps(payload: Payload, ended: Ended): Promise<Report> {
    try {
      const collection = await this.#collect(payload);
      const { missing } = collection;
      const outcome = missing.length > 0 ? 'failed' : ended.outcome.outcome; // and so it is told everywhere
      await this.#witness({ ...ended, outcome: { ...ended.outcome, outcome } }, collection);
      return { what: outcome === 'succeeded' ? 'completed' : 'failed' };
    } catch (error) {
      if (!(error instanceof ArtifactError)) throw error;
      this.parts.log.warn('What the run has left could not be kept; it is to be tried again', { why: error.message });
      return exception('intermittent-task');
    }
  }

  #collect({ artifacts }: Payload): Promise<Collection> {
    return collectArtifacts(artifacts, this.parts.directory.workspace, this.#artifacts, (line) => void this.#note(line));
  }

  /** What is told of the run goes after the log, whose digest is in the receipt; and before the report, after which nobody may add to it. */
  async #witness(ended: Ended, collection: Collection): Promise<void> {
    const digest = await this.#keepLog();
    if (this.parts.setting.hurry.aborted) return;
    if (!digest && this.parts.keeper.lost.aborted) return; // nothing of a run that is lost is taken, so it holds its place no longer
    const witness = new RunWitness({ ...this.parts, artifacts: this.#artifacts, names: this.#names });
    const shown = { ...ended, outcome: redactedIn(ended.outcome, this.parts.redactor) };
    const record = await witness.leaveRecord(shown, collection.missing);
    if (digest) await witness.leaveReceipt(shown, { artifacts: [...collection.artifacts, record], log: digest });
  }

  /** In a hurry there is no time for it. */
  async #keepLog() {
    return this.parts.setting.hurry.aborted ? undefined : this.#runLog.keep();
  }

  #note(line: string): Promise<void> {
    return this.#runLog.note(line);
  }

  #nowDoing(what: string): void {
    this.parts.shown.doing = what;
    this.parts.shown.since = performance.now();
  }
}

/** The steps of a run, and when they ran. */
export interface Ended {
  /** RFC 3339. */
  startedAt: string;
  finishedAt: string;
  outcome: Outcome;
  /** Date.now(), when steps last called the service. */
  lastUse: number;
  /** A step was told the credentials of the run. */
  credentialsLent: boolean;
}

function refusal(error: unknown): { text: string; report: Report } | undefined {
  if (error instanceof MalformedPayload) return { text: `malformed payload: ${error.message}`, report: exception('malformed-payload') };
  if (error instanceof NotHere) return { text: error.message, report: exception('resource-unavailable') };
  return undefined;
}
