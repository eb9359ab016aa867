import type { Row } from '../row.js';
import type { Stage } from '../stage.js';

/** One thing that is measured. `progress` is told what is about to happen. */
export interface Scenario {
  name: string;
  run(stage: Stage, progress: (step: string) => void): Promise<Row[]>;
}

/** Not measured: connections are made and statements prepared, so that those of the floor are as warm then as the pool of the service. */
export const WARM_UP_SECONDS = 1;

/** No bound on the number of tasks, as a number that can be sent to the generator. */
export const UNBOUNDED = 1e9;

/** Where many things would do, the strictest: little is coalesced, and Postgres is busy already. */
export const STEADY = { concurrency: 8, batch: 1 };
