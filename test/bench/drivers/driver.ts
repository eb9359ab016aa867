import type { Credentials } from '../../../src/credentials/ext.js';

/** A run that a worker holds, and what it has to show for it. */
export interface Held {
  taskId: string;
  runId: number;
  /** Only over HTTP: those of the claim, later those of the reclaim. */
  credentials?: Credentials;
}

/** One way to create tasks and to work on them: over HTTP, or straight to Postgres. `worker` counts from 0. */
export interface Driver {
  /** What comes before a creation and is not measured. */
  prepare?(worker: number): Promise<void>;
  create(worker: number): Promise<void>;
  claim(worker: number, wanted: number): Promise<Held[]>;
  reclaim(worker: number, held: Held): Promise<Held>;
  complete(worker: number, held: Held): Promise<void>;
  close(): Promise<void>;
}
