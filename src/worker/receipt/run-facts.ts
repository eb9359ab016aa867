import type { Definition } from '../../signatures/task-payload.js';
import type { ClearedTask } from '../claims/verify-claim.js';
import type { IsolationName } from '../sandbox/isolation.js';
import type { Outcome } from '../steps/job.js';

/** Bytes that the run left, as whoever downloads them gets them: without a content encoding. `sha256` in hex. */
export interface LeftBytes {
  name: string;
  sha256: string;
  bytes: number;
}

/** All that a receipt is made of: what the worker itself knows of a run once its steps are over, and before it is reported. */
export interface RunFacts {
  taskId: string;
  runId: number;
  taskQueueId: string;
  /** What was run: of a signed task what was signed, never the queue's copy. */
  definition: Definition;
  /** What became of its signature. */
  verdict: Pick<ClearedTask, 'verdict' | 'code' | 'kid' | 'thumbprint' | 'payloadDigest'>;
  worker: { group: string; id: string; version?: string };
  isolation: IsolationName;
  /** RFC 3339, by the worker's clock: when the first step was about to start, and when the last one was over. */
  startedAt: string;
  finishedAt: string;
  outcome: Outcome;
  /** What was uploaded, but for the log and the receipt. */
  artifacts: readonly LeftBytes[];
  /** `dropped`: bytes that steps printed and that are not in it. */
  log: LeftBytes & { dropped: number };
  scopes: RunScopes;
  /** A step was told the credentials of the run. */
  credentialsLent?: true;
}

export interface RunScopes {
  /** task.scopes of the definition. */
  asked: readonly string[];
  /** Those of the last credentials that the queue lent for the run. */
  lent?: readonly string[];
  /** Those of which the queue has noted, a second before the receipt was made, that they decided something for the run. */
  used?: readonly string[];
}
