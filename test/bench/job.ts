import type { TaskKey } from '../../src/signatures/generate-key.js';
import type { Percentiles } from './latencies.js';

/** What the generator is to do. Plain data: it crosses a process border. */
export interface Job {
  /**
   * `creates`: create tasks. `cycles`: claim, reclaim, complete. `lives`: create, then a cycle. `batches`: createTasks.
   * `wake-ups`: create a task for a claim that waits. `idle-polls`: claims that wait in vain.
   */
  kind: 'creates' | 'cycles' | 'lives' | 'batches' | 'wake-ups' | 'idle-polls';
  over: Target;
  taskQueueId: string;
  concurrency: number;
  /** Tasks a claim asks for. */
  batch: number;
  /** How long is measured, after a warm-up. */
  seconds: number;
  warmUpSeconds: number;
  /** At most so many tasks; of `wake-ups` and `batches`: just so many. */
  tasks: number;
  /** Of each task, for `batches`. */
  dependencies?: number;
}

/** Whom to load: services over HTTP, the floor, or the service's own statements in its database. */
export type Target =
  | { driver: 'http'; urls: string[]; sign?: Signing }
  | { driver: 'floor'; databaseUrl: string }
  | { driver: 'statements'; databaseUrl: string };

/** Each task is signed before it is sent. `discard`: and sent without its signature, so that all else is the same. */
export interface Signing {
  key: TaskKey['privateJwk'];
  discard: boolean;
}

export interface Result {
  /** Tasks created, cycles completed, or polls answered while it was measured. */
  done: number;
  seconds: number;
  calls: Record<string, Percentiles>;
  /** Of the generator itself while it was measured. */
  cpuSeconds: number;
}

/** What the generator says while a job runs. */
export type Report =
  | { report: 'measuring' }
  /** The time is up; what is under way is finished, and then comes the result. */
  | { report: 'measured' }
  /** About once a second: how many are done so far. */
  | { report: 'progress'; done: number; seconds: number }
  | { report: 'result'; result: Result }
  | { report: 'failed'; problem: string };
