import { Injectable } from '@nestjs/common';
import { Config } from '../../config.js';
import { HotSql } from '../../postgres/hot-sql.js';
import { isLockTimeout, type Runner, Sql } from '../../postgres/sql.js';
import { type ClaimedRow, claimRuns, type LeasedRow } from '../sql/claim-runs.js';
import { findClaimsByKey, type HeldRow } from '../sql/find-claims-by-key.js';
import { lockClaimKey } from '../sql/lock-claim-key.js';
import type { Start, Watermark } from './watermark.js';

export interface Worker {
  workerGroup: string;
  workerId: string;
}

/** A run that somebody wants: for whom, and by which key. */
export interface Place {
  worker: Worker;
  key: Buffer | undefined;
  /** The client that asks for it. */
  actor: string | undefined;
}

export interface Lease {
  /** The run of each place that got one. */
  rows: (ClaimedRow & { place: number })[];
  /** Whether there may be more for others: all places got a run, or the answer is full. */
  mayBeMore: boolean;
}

/** Leases pending runs of one queue: one statement, two where there is too little behind the watermark. */
@Injectable()
export class LeaseRuns {
  constructor(
    private readonly sql: Sql,
    private readonly hot: HotSql,
    private readonly config: Config,
  ) {}

  async lease(taskQueueId: string, watermark: Watermark, places: Place[]): Promise<Lease> {
    try {
      return await this.leaseBy(this.hot, taskQueueId, watermark, places);
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      return this.leaseBy(this.sql, taskQueueId, watermark, places); // the table is locked, say, by a migration: that is waited for
    }
  }

  /** What the key holds already, or else new runs; two at once with one key take turns. */
  leaseOnce(taskQueueId: string, watermark: Watermark, key: Buffer, places: Place[]): Promise<Lease> {
    return this.sql.transaction(async (runner) => {
      await runner.query(lockClaimKey, [key]);
      const held = await runner.query(findClaimsByKey, [[key], [places[0]?.actor ?? null]]);
      if (held.length === 0) return this.leaseBy(runner, taskQueueId, watermark, places);
      return { rows: held.map((row) => ({ ...row, place: 0 })), mayBeMore: true };
    });
  }

  /** What each of these keys holds already. */
  held(places: Pick<Place, 'key' | 'actor'>[]): Promise<HeldRow[]> {
    return this.hot.query(findClaimsByKey, [places.map(({ key }) => key), places.map(({ actor }) => actor ?? null)]);
  }

  private async leaseBy(runner: Runner, taskQueueId: string, watermark: Watermark, places: Place[]): Promise<Lease> {
    const now = performance.now();
    const start = watermark.start(now);
    const rows = await this.look(runner, taskQueueId, start, places);
    watermark.handedOut(rows);
    const lease = { rows, mayBeMore: rows.length === places.length || isCut(rows) };
    if (start.atBeginning || lease.mayBeMore) return lease;
    const free = [...places.keys()].filter((place) => !rows.some((row) => row.place === place));
    const others = await this.look(
      runner,
      taskQueueId,
      watermark.beginning(now),
      free.map((place) => places[place] as Place),
    ).catch((error) => {
      if (!(runner instanceof Sql)) throw error; // in a transaction nothing was leased then
      return [];
    });
    watermark.handedOut(others);
    return {
      rows: [...rows, ...others.map((row) => ({ ...row, place: free[row.place] as number }))],
      mayBeMore: others.length === free.length || isCut(others),
    };
  }

  private look(runner: Runner, taskQueueId: string, { marks }: Start, places: Place[]): Promise<LeasedRow[]> {
    const { claimTimeout, deadlineDelay } = this.config;
    return runner.query(claimRuns, [
      taskQueueId,
      places.map(({ worker }) => worker.workerGroup),
      places.map(({ worker }) => worker.workerId),
      places.map(({ key }) => key ?? null),
      places.length,
      claimTimeout,
      deadlineDelay,
      marks.map(({ scheduled }) => scheduled),
      marks.map(({ taskId }) => taskId),
      places.map(({ actor }) => actor ?? null),
    ]);
  }
}

/** Whether runs had to wait because their definitions were too much for one answer. */
function isCut(rows: LeasedRow[]): boolean {
  return rows.some(({ picked }) => picked > rows.length);
}
