import path from 'node:path';
import type { ResultValue, Step } from '../payload/payload.js';
import { type ResolvedStep, resolveStep, UnresolvedReference } from '../payload/references.js';
import type { Isolation, StepEnd, StepRun } from '../sandbox/isolation.js';
import { ControlFiles } from './control-files.js';
import type { Job, StepReason, StepRecord } from './job.js';
import { oomKills } from './oom-kills.js';
import { StepOutput } from './output/output.js';
import type { TaskLog } from './output/task-log.js';
import { type TakenResults, takeResults } from './results/results.js';
import { SANDBOX_VIEW, type StepView, secretsBy, stepEnvironment } from './step-environment.js';
import { StepWatch, type StoppedBy } from './step-watch.js';
import type { TaskDirectory } from './task-directory.js';

/** Of a step whose program was never started. Docker's, for what it could not do itself. */
const NEVER_STARTED = 125;
/** By SIGKILL. */
const KILLED = 137;

/** Runs one step after the other, and says what has become of each by what the kernel tells, not by what the step says. */
export class StepRunner {
  /** Of the step that is running now. */
  watch: StepWatch | undefined;
  readonly #job: Job;
  readonly #directory: TaskDirectory;
  readonly #isolation: Isolation;
  readonly #log: TaskLog;
  readonly #results = new Map<string, Readonly<Record<string, ResultValue>>>();

  constructor(parts: RunnerParts) {
    ({ job: this.#job, directory: this.#directory, isolation: this.#isolation, log: this.#log } = parts);
  }

  /** Whether the first program of all sandboxes was what it should be. Without isolation it is none. */
  get isIntact(): boolean {
    if (this.#directory.control.isEntrypointIntact) return true;
    console.error('A step has changed the program in /tekton/tools');
    return this.#isolation.name === 'none';
  }

  /** Never rejects: what goes wrong here is not the step's fault, and is in the record. */
  async run(index: number, step: Step): Promise<StepRecord> {
    try {
      const resolved = resolveStep(step, this.#results);
      if (!resolved.holds) return this.skip(index, step);
      return await this.#start(index, step, resolved);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      if (error instanceof UnresolvedReference) return this.#notRun(index, step, { reason: 'Failed', exitCode: NEVER_STARTED, detail });
      return this.#notRun(index, step, { reason: 'InfrastructureError', exitCode: NEVER_STARTED, detail });
    } finally {
      this.watch = undefined;
    }
  }

  skip(index: number, step: Step): StepRecord {
    return this.#notRun(index, step, { reason: 'Skipped', exitCode: 0 });
  }

  async #start(index: number, step: Step, resolved: ResolvedStep): Promise<StepRecord> {
    this.#directory.begin(index);
    const killsBefore = oomKills();
    const output = new StepOutput(this.#directory.fifo(index), this.#job.sandbox.limits.output, this.#log);
    let end: StepEnd;
    try {
      const running = this.#isolation.start(this.#stepRun(index, step, resolved, output.writeEnd));
      this.watch = new StepWatch(running, this.#job.grace, step.timeout === undefined ? undefined : step.timeout * 1000);
      end = await running.ended;
    } catch (error) {
      await output.finish();
      throw error;
    }
    const { stoppedBy } = this.watch;
    const printed = await output.finish();
    return this.#record(index, step, { end, stoppedBy, printed, outOfMemory: oomKills() > killsBefore });
  }

  #stepRun(index: number, step: Step, { command, env }: ResolvedStep, output: number): StepRun {
    const job = this.#job;
    const directory = this.#directory;
    const view = this.#viewOf(index);
    const script = path.join(view.control, 'scripts', ControlFiles.scriptName(index));
    return {
      index,
      command: step.script === undefined ? command : [script],
      env: { ...stepEnvironment(step, env, job, view), ...(this.#isolation.name === 'none' && directory.marker) },
      workspace: step.workspace,
      network: step.network,
      ...(step.proxyUrl && job.proxy && { proxyNames: job.proxy.names }),
      secretFiles: secretsBy('file', step, job),
      places: directory.places(index),
      settings: job.sandbox,
      output,
    };
  }

  #viewOf(index: number): StepView {
    return this.#isolation.name === 'none' ? this.#directory.view(index) : SANDBOX_VIEW;
  }

  #record(index: number, step: Step, ended: Ended): StepRecord {
    const { end, printed } = ended;
    const reason = reasonOf(ended);
    const exitCode = end.failure === undefined ? end.exitCode : NEVER_STARTED;
    const taken = takeResults(this.#directory.results(index), step.results, this.#job.sandbox.limits);
    this.#results.set(step.name, taken.values);
    this.#tell(index, exitCode, reason, taken);
    return {
      ...aboutStep(step),
      reason,
      exitCode,
      ...(end.startedAt && { startedAt: end.startedAt.toISOString() }),
      finishedAt: end.finishedAt.toISOString(),
      results: taken.values,
      missing: taken.missing,
      output: printed,
      ...(reason === 'InfrastructureError' && { detail: end.failure! }),
    };
  }

  #notRun(index: number, step: Step, { reason, exitCode, detail }: NotRun): StepRecord {
    const missing = Object.fromEntries(step.results.map(({ name }) => [name, `result ${name}: the step did not run`]));
    this.#tell(index, exitCode, reason, { bytes: new Map() });
    return { ...aboutStep(step), reason, exitCode, results: {}, missing, output: { bytes: 0, dropped: 0 }, ...(detail && { detail }) };
  }

  /** Where steps are not isolated one may have taken the files away: that changes nothing. */
  #tell(index: number, exitCode: number, reason: StepReason, { bytes }: Pick<TakenResults, 'bytes'>): void {
    try {
      this.#directory.control.ended(index, { exitCode, reason, results: bytes });
    } catch (error) {
      console.error(`The control files of step ${index} could not be written: ${(error as Error).message}`);
    }
  }
}

export interface RunnerParts {
  job: Job;
  directory: TaskDirectory;
  isolation: Isolation;
  log: TaskLog;
}

interface Ended {
  end: StepEnd;
  stoppedBy: StoppedBy | undefined;
  printed: StepRecord['output'];
  /** The kernel has killed something for want of memory meanwhile. */
  outOfMemory: boolean;
}

type NotRun = Pick<StepRecord, 'reason' | 'exitCode' | 'detail'>;

export function reasonOf({ end, stoppedBy, outOfMemory }: Omit<Ended, 'printed'>): StepReason {
  if (stoppedBy !== undefined) return stoppedBy;
  if (end.failure !== undefined) return 'InfrastructureError';
  if (end.exitCode === KILLED && outOfMemory) return 'OOMKilled';
  return end.exitCode === 0 ? 'Completed' : 'Failed';
}

const aboutStep = ({ name, network, workspace }: Step) => ({ name, network, workspace });
