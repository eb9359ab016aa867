import type { Step } from '../payload/payload.js';

export type IsolationName = 'bubblewrap' | 'none';

/** How one step is run and kept apart from the others. The supervisor calls it, and judges what it tells. */
export interface Isolation {
  readonly name: IsolationName;
  start(step: StepRun): RunningStep;
}

/** All that a sandbox is made of. Paths are the supervisor's. */
export interface StepRun {
  index: number;
  /** References in it were resolved already. */
  command: readonly string[];
  /** The whole environment; nothing is inherited. */
  env: Readonly<Record<string, string>>;
  workspace: Step['workspace'];
  network: Step['network'];
  /** By which the step calls the proxy over TCP, beside `taskcluster`: `host` or `host:port`. Absent: it has the socket alone. */
  proxyNames?: readonly string[];
  /** Contents by the name of a file under `creds`. Never on a disk. */
  secretFiles: Readonly<Record<string, string>>;
  places: Places;
  settings: SandboxSettings;
  /** An open file for standard output and standard error, which the step may append to. */
  output: number;
}

/**
 * The directory of one task, as the supervisor sees it. A step finds `tools`, `downward`, `steps`, `scripts`, `run` (all read-only) and
 * `results` (its own) under /tekton, and `workspace` at /workspace.
 */
export interface Places {
  /** busybox, static. */
  tools: string;
  downward: string;
  steps: string;
  scripts: string;
  /** With a directory for each step, by its index: `status/exitCode`, `status/reason`, `status/results/…`, `out` or `out.err`. */
  run: string;
  /** Of this step alone. */
  results: string;
  workspace: string;
  /** A unix socket. Absent where no step uses the proxy. */
  proxySocket?: string;
}

export interface SandboxSettings {
  bubblewrap: string;
  busybox: string;
  /** What steps find as their root, read-only: `/` with its /usr and some of /etc, or the root of another system. */
  rootfs: string;
  /** More directories of the host, read-only, at the same place. */
  readable: readonly string[];
  limits: Limits;
}

/** Bytes, but for the first two. */
export interface Limits {
  processes: number;
  openFiles: number;
  fileSize: number;
  /** RLIMIT_DATA of each process; 0: none. */
  memory: number;
  tmp: number;
  home: number;
  shm: number;
  creds: number;
  /** All of a step's result files together; and one result. */
  results: number;
  result: number;
  /** What is kept of one step's output. */
  output: number;
}

export interface RunningStep {
  /** Resolves, and never rejects, once the kernel says that no process of the step is left. */
  readonly ended: Promise<StepEnd>;
  /** SIGTERM for every process of the step. */
  terminate(): void;
  /** SIGKILL for every process of the step. */
  kill(): void;
}

export interface StepEnd {
  /** When the step's own program was about to start. Absent: the sandbox was never up. */
  startedAt?: Date;
  finishedAt: Date;
  /** As a shell tells it: 128 and the signal's number for a program that a signal ended, 127 for one that is not there, 126 for one that cannot be run. */
  exitCode: number;
  /** Why no sandbox could be made, in a line; then `startedAt` is absent. */
  failure?: string;
}
