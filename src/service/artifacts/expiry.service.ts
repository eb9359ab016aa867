import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Logger } from '../http/logger.js';
import { Sql } from '../postgres/sql.js';
import { Blobs } from './blobs/blobs.js';
import { DiskStore } from './blobs/disk-store.js';
import type { StoreName } from './sql/artifact-columns.js';
import { claimExpired } from './sql/claim-expired.js';
import { deleteArtifacts } from './sql/delete-artifacts.js';

const BATCH = 100;
const MOST_BATCHES = 50;
const SWEEP_MS = 10 * 60 * 1000;

/** Removes artifacts that have expired: their bytes, then their rows. Whatever dies in between is found by its row, by any replica. */
@Injectable()
export class ArtifactExpiry implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private current: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly sql: Sql,
    private readonly blobs: Blobs,
    private readonly disk: DiskStore,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.current = this.sweep().catch((error) => this.logger.error({ err: error }, 'artifacts were not swept'));
    }, SWEEP_MS);
    this.timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.current;
  }

  /** Answers how many are gone. What could not be removed is logged, and tried again ten minutes later. */
  async sweep(): Promise<number> {
    let gone = 0;
    for (let batch = 0; batch < MOST_BATCHES && !this.stopped; batch++) {
      const expired = await this.sql.query(claimExpired, [BATCH]);
      for (const store of ['disk', 's3', null] as const) {
        const rows = expired.filter((row) => row.store === store);
        if (rows.length > 0) gone += await this.remove(store, rows);
      }
      if (expired.length < BATCH) break;
    }
    await this.disk.removeAbandoned();
    return gone;
  }

  private async remove(
    store: StoreName | null,
    rows: { taskId: string; runId: number; name: string; blobId: string | null }[],
  ): Promise<number> {
    try {
      if (store !== null) await (await this.blobs.store(store)).delete(rows.flatMap(({ blobId }) => blobId ?? []));
    } catch (error) {
      this.logger.error({ err: error }, 'the bytes of expired artifacts could not be deleted');
      return 0;
    }
    const columns = [rows.map(({ taskId }) => taskId), rows.map(({ runId }) => runId), rows.map(({ name }) => name)];
    return (await this.sql.query(deleteArtifacts, columns)).length;
  }
}
