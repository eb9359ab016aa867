import { writeSync } from 'node:fs';
import { type RootEntry, readRootfs } from './bubblewrap/rootfs.js';
import { RunningSandbox } from './bubblewrap/running-sandbox.js';
import { spawnSandbox } from './bubblewrap/spawn-sandbox.js';
import type { Isolation, RunningStep, SandboxSettings, StepRun } from './isolation.js';
import { PortedStep } from './port/ported-step.js';
import { StepPort } from './port/step-port.js';

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
      const port = portOf(step);
      return port ? new PortedStep(port, (namespace) => this.#started(step, namespace)) : this.#started(step);
    } catch (error) {
      return neverStarted(step, error as NodeJS.ErrnoException);
    }
  }

  #started(step: StepRun, namespace?: string): RunningStep {
    try {
      return new RunningSandbox(spawnSandbox(step, this.#root, { ...(namespace && { namespace }) }));
    } catch (error) {
      return neverStarted(step, error as NodeJS.ErrnoException);
    }
  }
}

/** Of a step that asks for one. */
function portOf({ network, proxyNames: names, places: { proxySocket: socketPath }, settings: { busybox } }: StepRun): StepPort | undefined {
  if (network !== 'proxy' || names === undefined || socketPath === undefined) return undefined;
  return new StepPort({ socketPath, names, busybox });
}

/** What cannot even be asked for. More words and variables than the kernel takes are the task's doing; whatever else it is is not. */
function neverStarted({ output }: StepRun, { code, message }: NodeJS.ErrnoException): RunningStep {
  const end = { finishedAt: new Date(), exitCode: 126 };
  if (code === 'E2BIG') writeSync(output, 'The words and variables of this step are more than the system takes; pass a file\n');
  const failure = code === 'E2BIG' ? {} : { failure: `The sandbox could not be made: ${message}` };
  return { ended: Promise.resolve({ ...end, ...failure }), terminate() {}, kill() {} };
}
