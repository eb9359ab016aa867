import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { StepRun } from '../isolation.js';
import { seccompFilter } from '../seccomp/seccomp.js';
import { anonymousFile, sharedFile } from './anonymous-file.js';
import { bubblewrapArguments } from './bubblewrap-arguments.js';
import type { RootEntry } from './rootfs.js';
import { stepShell } from './step-shell.js';

/** Descriptors of bwrap. What it says itself is on 2, which the step gets only once it stands for its output. */
const [SAID, STATUS, STARTED, ARGUMENTS, FILTER, DATA] = [2, 3, 4, 5, 6, 7] as const;

export interface SandboxProcess {
  process: ChildProcess;
  said: Readable;
  status: Readable;
  started: Readable;
}

interface How {
  /** Words of a program that starts it. */
  through?: readonly string[];
  /** A file that is the network namespace which the step is to have. Absent: it has one of its own, with nothing in it, or the worker's. */
  namespace?: string;
}

/**
 * Starts bwrap for a step. It reads its options from a file, since anybody on the host can read the words of a process; and it gets the
 * step's environment as its own, since `--clearenv` would leave ours in /proc/1/environ. Throws what spawn throws, and TypeError for a step that cannot be told.
 */
export function spawnSandbox(step: StepRun, root: readonly RootEntry[], { through = [], namespace }: How = {}): SandboxProcess {
  const { options, files, secrets } = bubblewrapArguments(step, root, { firstDescriptor: DATA, isInNamespace: namespace !== undefined });
  const entering = namespace === undefined ? [] : inNamespace(step, namespace);
  const open = [anonymousFile(`${options.join('\0')}\0`)];
  try {
    for (const content of [seccompFilter(process.arch), ...files]) open.push(sharedFile(content));
    return spawned(step, [...through, ...entering], open, secrets);
  } finally {
    open.forEach(closeSync);
  }
}

/**
 * By the static busybox, and not by a program that is looked for: what starts bwrap has the step's environment, too. Where that says to look
 * for programs a former step may have put one, and it would be run out here.
 */
const inNamespace = ({ settings: { busybox } }: StepRun, namespace: string) => [busybox, 'nsenter', `-n${namespace}`, '--'];

function spawned(step: StepRun, through: readonly string[], files: readonly number[], secrets: readonly string[]): SandboxProcess {
  const descriptors = ['--json-status-fd', STATUS, '--args', ARGUMENTS, '--seccomp', FILTER].map(String);
  const words = [...through, step.settings.bubblewrap, ...descriptors, '--', ...stepShell(step, STARTED)];
  const env = { NODE_V8_COVERAGE: undefined, ...step.env }; // Node would add its own, if it has it
  const ours = ['pipe', 'pipe', 'pipe'] as const; // SAID, STATUS, STARTED
  const stdio = ['ignore', step.output, ...ours, ...files, ...secrets.map(() => 'pipe' as const)] as const;
  const child = spawn(words[0]!, words.slice(1), { env, cwd: '/', stdio: [...stdio] });
  const pipes = child.stdio as unknown as readonly (Readable & Writable)[];
  fill(pipes.slice(ARGUMENTS + files.length), secrets);
  return { process: child, said: pipes[SAID]!, status: pipes[STATUS]!, started: pipes[STARTED]! };
}

/** bwrap that has ended reads no more: how it ended tells why. */
function fill(pipes: readonly Writable[], contents: readonly string[]): void {
  pipes.forEach((pipe, index) => {
    pipe.on('error', () => {});
    pipe.end(contents[index]);
  });
}
