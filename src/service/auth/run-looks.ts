import { Injectable } from '@nestjs/common';
import { Quota } from '../http/quota.js';

/** A quarter of those who may wait for a connection (postgres/sql.ts). */
const MOST = 500;
const OF_ONE = 100;

/**
 * Bounds how many look at runs at once to find out whose request it is. That comes before a request takes its place among those under way, which
 * is known by whose it is; so without it the code of one task could have every place taken in the line for a connection. One run has a fifth of
 * it: whose it claims to be was proven by then.
 */
@Injectable()
export class RunLooks {
  private readonly quota = new Quota('requests that look at their run', { all: MOST, client: OF_ONE, strangers: 0 });

  /** Throws ServiceUnavailable where too many look already. */
  async take<T>({ taskId, runId }: { taskId: string; runId: number }, look: () => Promise<T>): Promise<T> {
    const over = this.quota.take(`${taskId}/${runId}`);
    try {
      return await look();
    } finally {
      over();
    }
  }
}
