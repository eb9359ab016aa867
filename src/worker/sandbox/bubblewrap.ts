import { type RootEntry, readRootfs } from './bubblewrap/rootfs.js';
import { RunningSandbox } from './bubblewrap/running-sandbox.js';
import { spawnSandbox } from './bubblewrap/spawn-sandbox.js';
import type { Isolation, RunningStep, SandboxSettings, StepRun } from './isolation.js';

/**
 * Each step in namespaces of its own, made by bubblewrap (https://github.com/containers/bubblewrap): what it does not need is not there,
 * and what judges it is outside. What it cannot do is in test/sandbox.test.ts.
 */
export class Bubblewrap implements Isolation {
  readonly name = 'bubblewrap';
  readonly #root: readonly RootEntry[];

  /** Throws if the root cannot be read. */
  constructor({ rootfs }: Pick<SandboxSettings, 'rootfs'>) {
    this.#root = readRootfs(rootfs);
  }

  start(step: StepRun): RunningStep {
    try {
      return new RunningSandbox(spawnSandbox(step, this.#root));
    } catch (error) {
      return neverStarted(error as Error);
    }
  }
}

/** What cannot even be asked for. More words than the kernel takes are the step's own, and would be as many again. */
function neverStarted({ message, code }: NodeJS.ErrnoException): RunningStep {
  const now = new Date();
  const why = code === 'E2BIG' ? { startedAt: now } : { failure: `The sandbox could not be made: ${message}` };
  return { ended: Promise.resolve({ finishedAt: now, exitCode: 126, ...why }), terminate() {}, kill() {} };
}
