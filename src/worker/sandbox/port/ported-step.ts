import type { RunningStep, StepEnd } from '../isolation.js';
import type { StepPort } from './step-port.js';

/** A step that is started once the port it calls by is open, and whose port is closed when it has ended. */
export class PortedStep implements RunningStep {
  readonly ended: Promise<StepEnd>;
  #running: RunningStep | undefined;
  #isDoomed = false;

  /** `start` does so in that network namespace, and does not throw. */
  constructor(
    private readonly port: Pick<StepPort, 'ready' | 'namespace' | 'close'>,
    start: (namespace: string) => RunningStep,
  ) {
    this.ended = this.#run(start).finally(() => port.close());
  }

  terminate(): void {
    if (this.#running) this.#running.terminate();
    else this.kill();
  }

  kill(): void {
    this.#isDoomed = true;
    if (this.#running) this.#running.kill();
    else void this.port.close();
  }

  async #run(start: (namespace: string) => RunningStep): Promise<StepEnd> {
    try {
      await this.port.ready;
    } catch (error) {
      return this.#notStarted((error as Error).message);
    }
    if (this.#isDoomed) return this.#notStarted('');
    this.#running = start(this.port.namespace);
    return this.#running.ended;
  }

  #notStarted(why: string): StepEnd {
    const failure = this.#isDoomed ? 'The step was stopped before its sandbox was up' : `The port of the proxy could not be opened: ${why}`;
    return { finishedAt: new Date(), exitCode: 126, failure };
  }
}
