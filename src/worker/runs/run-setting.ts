import type { LiveLogServer } from '../artifacts/live-log-server.js';
import type { Redactor } from '../artifacts/redactor.js';
import type { ClaimKeeper } from '../claims/claim-keeper.js';
import type { Terms } from '../claims/verify-claim.js';
import type { WorkerConfig } from '../config/config.js';
import type { Log } from '../log.js';
import type { Progress } from '../progress.js';
import type { WorkerKey } from '../receipt/worker-key.js';

/** What every run of a worker is given. */
export interface RunSetting {
  config: WorkerConfig;
  /** The worker's own environment, of which steps get what is listed (`hostEnv`). */
  environment: Readonly<Record<string, string | undefined>>;
  /** What a claim from that task queue is held against, at this moment. */
  terms: (taskQueueId: string) => Terms;
  liveLogs: LiveLogServer | undefined;
  receiptKey: WorkerKey | undefined;
  /** Of what no log may show, whatever run it is of. */
  redactor: Redactor;
  progress: Progress;
  log: Log;
  /** The claims that are kept now. */
  keepers: Set<ClaimKeeper>;
  /** Aborted when the worker is to end at once. */
  hurry: AbortSignal;
}
