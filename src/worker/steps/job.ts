import type { Payload, ResultValue, Step } from '../payload/payload.js';
import type { IsolationName, SandboxSettings } from '../sandbox/isolation.js';

/**
 * What the worker hands the supervisor of one task: the first line on its standard input, as JSON. Nothing in it is good for talking to the
 * queue. Further lines are Orders; when the input ends the worker is dead, and so must be everything else.
 */
export interface Job {
  payload: Payload;
  /** The environment of every step, but for what its own `env`, its secrets and the supervisor add. */
  env: Readonly<Record<string, string>>;
  /** Values of the secrets that steps ask for, by name. */
  secrets: Readonly<Record<string, string>>;
  isolation: IsolationName;
  sandbox: SandboxSettings;
  /** An empty directory of this task alone, with `workspace/` in it, which only the worker's user can enter. */
  taskDir: string;
  /** Absent: no step uses it. */
  proxy?: JobProxy;
  /** Milliseconds between SIGTERM and SIGKILL. */
  grace: number;
}

/** How steps reach the proxy of their run. */
export interface JobProxy {
  /** A unix socket. */
  socketPath: string;
  /** Registries that it leads to, as steps call them: `host` or `host:port`. */
  names: readonly string[];
  /** It leads elsewhere, too: programs are told to ask it for all that has no other name. */
  outgoing: boolean;
}

/** Stops the steps; those with `when.status` always still run, in the time that `cleanUp` gives them (milliseconds, 0 for none). */
export interface Order {
  order: 'stop';
  reason: 'cancelled' | 'timed-out';
  cleanUp: number;
}

/** A line on descriptor 3, as JSON. Standard output is the log, raw; standard error is for what is wrong with the supervisor itself. */
export type Told =
  | { told: 'step-started'; index: number; name: string; at: string }
  | { told: 'step-ended'; index: number; step: StepRecord }
  | { told: 'done'; outcome: Outcome };

export const STEP_REASONS = ['Completed', 'Failed', 'TimeoutExceeded', 'Cancelled', 'OOMKilled', 'Skipped', 'InfrastructureError'] as const;
export type StepReason = (typeof STEP_REASONS)[number];

/** What has become of a step, by the supervisor's own knowledge. */
export interface StepRecord {
  name: string;
  reason: StepReason;
  /** 0 of a step that was skipped. */
  exitCode: number;
  /** RFC 3339; absent of what never started. */
  startedAt?: string;
  finishedAt?: string;
  network: Step['network'];
  workspace: Step['workspace'];
  results: Readonly<Record<string, ResultValue>>;
  /** Declared results that are not there or could not be taken, and why. */
  missing: Readonly<Record<string, string>>;
  /** Bytes that the step printed, and how many of them are not in the log. */
  output: { bytes: number; dropped: number };
  /** Of InfrastructureError, and of a step whose references could not be resolved. */
  detail?: string;
}

export interface Outcome {
  /** `broken`: the sandbox could not be made, which says nothing of the task: it may be tried again. */
  outcome: 'succeeded' | 'failed' | 'stopped' | 'broken';
  steps: readonly StepRecord[];
  /** Of all steps: of each name the last that succeeded, and which step wrote it. */
  results: Readonly<Record<string, { step: string; value: ResultValue }>>;
}
