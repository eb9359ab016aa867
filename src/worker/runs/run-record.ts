import type { Run } from '../claims/seen-runs.js';
import type { verdictReport } from '../claims/verdict-report.js';
import type { IsolationName } from '../sandbox/isolation.js';
import type { Outcome } from '../steps/job.js';

/** What the worker leaves of a run for whoever looks at it later: by its own knowledge, not by what the steps say. JSON. */
export interface RunRecord extends Run {
  version: 1;
  taskQueueId: string;
  worker: { group: string; id: string };
  /** `none`: steps could do what the worker can, and what is told here is worth no more than they are. */
  isolation: IsolationName;
  signature: ReturnType<typeof verdictReport>;
  /** A step was told the credentials of the run, and could do whatever the run may, also end it. Absent: none was. */
  credentialsLent?: true;
  startedAt: string;
  finishedAt: string;
  outcome: Outcome['outcome'];
  steps: Outcome['steps'];
  results: Outcome['results'];
  /** What the task wanted kept, and is not. */
  missingArtifacts: readonly { name: string; reason: string; message: string }[];
}
