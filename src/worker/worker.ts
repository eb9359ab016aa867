import { createLeaseholdClient } from '../client/client.js';
import { LiveLogServer } from './artifacts/live-log-server.js';
import { Redactor } from './artifacts/redactor.js';
import type { ClaimKeeper } from './claims/claim-keeper.js';
import { ClaimLoop } from './claims/claim-loop.js';
import { KeySetFile } from './claims/key-set-file.js';
import { declineTask, runTask } from './claims/run-task.js';
import { SeenRuns } from './claims/seen-runs.js';
import { assertCanVerify, type Terms } from './claims/verify-claim.js';
import type { WorkerConfig } from './config/config.js';
import { registrySecrets } from './config/registries.js';
import type { Log } from './log.js';
import type { Progress } from './progress.js';
import { ask } from './queue/ask.js';
import { pause } from './queue/back-off.js';
import { WorkerKey } from './receipt/worker-key.js';
import type { RunSetting } from './runs/run-setting.js';
import { probeIsolation } from './sandbox/probe.js';
import { clearLeftovers } from './state/leftovers.js';
import { StateDir } from './state/state-dir.js';

/** What a worker that ends at once gives its tasks to be gone and reported. */
const ENDS_WITHIN = 5_000;

export interface WorkerSurroundings {
  /** The process's own, of which steps get what the configuration lists. */
  environment: Readonly<Record<string, string | undefined>>;
  log: Log;
  progress: Progress;
}

const seconds = () => Math.floor(Date.now() / 1000);

/** A worker: it claims tasks from its task queues, and runs them, until it is told to end. */
export class Worker {
  readonly #loop: ClaimLoop;
  readonly #keepers = new Set<ClaimKeeper>();
  readonly #hurry = new AbortController();
  readonly #over = new AbortController();
  #drainTimer: NodeJS.Timeout | undefined;
  readonly #seen: SeenRuns;
  readonly #keySet: KeySetFile | undefined;

  private constructor(
    private readonly config: WorkerConfig,
    private readonly surroundings: WorkerSurroundings,
    private readonly directories: { stateDir: StateDir; workDir: StateDir },
    private readonly liveLogs: LiveLogServer | undefined,
  ) {
    const { taskQueues, capacity, signatures, receiptKey } = config;
    const { stateDir } = directories;
    const log = (message: string) => surroundings.log.info(message);
    this.#keySet = signatures.keySet === undefined ? undefined : KeySetFile.open({ path: signatures.keySet, stateDir, log });
    this.#seen = SeenRuns.open(stateDir, seconds());
    const setting: RunSetting = {
      ...{ config, ...surroundings, liveLogs, keepers: this.#keepers, hurry: this.#hurry.signal },
      terms: (taskQueueId) => this.#terms(taskQueueId),
      redactor: new Redactor(withinReach(config)),
      receiptKey: receiptKey === undefined ? undefined : WorkerKey.open(receiptKey),
    };
    this.#loop = new ClaimLoop({
      ...{ taskQueues, capacity, log: surroundings.log, ask: asking(config) },
      assertCanVerify: () => assertCanVerify(this.#terms('')),
      run: (offer, learn) => runTask(offer, learn, setting),
      decline: (offer, why) => declineTask(offer, why, setting),
    });
  }

  /**
   * Makes sure that the worker can work, and that nothing of a former life is left. Throws SetupError; IsolationUnavailable, which is one, where
   * steps cannot be isolated.
   */
  static async open(config: WorkerConfig, surroundings: WorkerSurroundings): Promise<Worker> {
    const stateDir = StateDir.open(config.stateDir);
    let workDir: StateDir | undefined;
    try {
      workDir = StateDir.open(config.workDir); // or another worker's tasks would be taken for leftovers
      const { killed, removed } = await clearLeftovers(config.workDir);
      if (killed + removed > 0) surroundings.log.warn('What a former life has left was cleared away', { killed, removed });
      if (config.isolation === 'bubblewrap') await probeIsolation(config.sandbox, config.workDir);
      const liveLogs = config.liveLog && (await LiveLogServer.open(config.liveLog));
      return new Worker(config, surroundings, { stateDir, workDir }, liveLogs);
    } catch (error) {
      workDir?.close();
      stateDir.close();
      throw error;
    }
  }

  /** Until it is told to end, and nothing runs any longer. */
  async run(): Promise<void> {
    const { log, progress } = this.surroundings;
    const { taskQueues, capacity, isolation, workerGroup, workerId } = this.config;
    if (isolation === 'none')
      log.warn('ISOLATION IS OFF: steps can do whatever this worker can, and read its credentials. Run trusted tasks only', { isolation });
    log.info('The worker claims', { worker: `${workerGroup}/${workerId}`, taskQueues: taskQueues.join(' '), capacity, isolation });
    progress.begin();
    try {
      await this.#loop.run();
      await Promise.race([this.#ended(), this.#outOfTime()]);
    } finally {
      await this.#close();
    }
    log.info('The worker has ended', { unfinished: this.#keepers.size });
  }

  /** Claims nothing more. What runs may go on for the time that the configuration gives it, and is then given back. */
  drain(): void {
    if (this.#drainTimer) return;
    const { timeout } = this.config.drain;
    this.surroundings.log.info('The worker drains', { running: this.#keepers.size, timeoutSeconds: timeout });
    this.#loop.stop();
    this.#drainTimer = setTimeout(() => this.#giveBack('the worker is shut down'), timeout * 1000);
  }

  /** Ends all that runs, and gives it back. */
  endAtOnce(): void {
    this.drain();
    if (!this.#hurry.signal.aborted) this.surroundings.log.warn('The worker ends at once', { running: this.#keepers.size });
    this.#giveBack('the worker is shut down at once');
    this.#hurry.abort();
  }

  async #ended(): Promise<void> {
    await this.#loop.lastCall(this.#hurry.signal);
    await this.#loop.idle();
  }

  /** What is not cleared away by then is cleared away at the next start. */
  async #outOfTime(): Promise<void> {
    const { signal } = this.#hurry;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    await pause(ENDS_WITHIN, this.#over.signal);
  }

  #giveBack(detail: string): void {
    for (const keeper of this.#keepers) keeper.stop({ reason: 'worker-shutdown', detail });
  }

  #terms(taskQueueId: string): Terms {
    const { policy, audience, skew } = this.config.signatures;
    return { policy, taskQueueId, audience, skew, now: seconds(), keySet: this.#keySet?.current(), seen: this.#seen };
  }

  async #close(): Promise<void> {
    clearTimeout(this.#drainTimer);
    this.#over.abort();
    this.surroundings.progress.end();
    await this.liveLogs?.close();
    this.#seen.close();
    this.directories.workDir.close();
    this.directories.stateDir.close();
  }
}

/** Secrets that any run may come by: steps that are not isolated can read whatever the worker can. Others get those of its task, too. */
const withinReach = ({ credentials, isolation, secrets, registries }: WorkerConfig) => [
  credentials.accessToken,
  ...registrySecrets(registries),
  ...(isolation === 'none' ? secrets.values() : []),
];

/** Asks as the worker itself, whose credentials are good for nothing else. */
function asking({ rootUrl, credentials, workerGroup, workerId }: WorkerConfig): ConstructorParameters<typeof ClaimLoop>[0]['ask'] {
  const client = createLeaseholdClient({ rootUrl, credentials: () => credentials });
  const path = '/api/queue/v1/claim-work/{taskQueueId}';
  return ({ taskQueueId, key, tasks }, patience) => {
    const params = { path: { taskQueueId }, header: { 'idempotency-key': key } };
    return ask((how) => client.POST(path, { params, body: { workerGroup, workerId, tasks }, ...how }), patience);
  };
}
