import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Logger } from '../http/logger.js';
import { Housekeeper, leftAfter } from '../postgres/housekeeper.js';
import { Sql } from '../postgres/sql.js';
import { Blobs } from './blobs/blobs.js';
import { DiskStore } from './blobs/disk-store.js';
import type { StoreName } from './sql/artifact-columns.js';
import { claimExpired } from './sql/claim-expired.js';
import { deleteArtifacts } from './sql/delete-artifacts.js';

const BATCH = 100; // deleting bytes takes a while
const SWEEP_EVERY = 600;

/** Removes artifacts that have expired: their bytes, then their rows. Whatever dies in between is found by its row, by any replica. */
@Injectable()
export class ArtifactExpiry implements OnModuleInit {
  constructor(
    private readonly sql: Sql,
    private readonly blobs: Blobs,
    private readonly disk: DiskStore,
    private readonly logger: Logger,
    private readonly housekeeper: Housekeeper,
  ) {}

  onModuleInit(): void {
    const sweep = async () => leftAfter(await this.sweep(), BATCH);
    this.housekeeper.register({ name: 'forgetting expired artifacts', every: SWEEP_EVERY, batch: sweep });
    const tidy = async () => this.disk.removeAbandoned().then(() => 'done' as const);
    this.housekeeper.register({ name: 'removing abandoned uploads', every: SWEEP_EVERY, batch: tidy });
  }

  /** A batch; answers how many are gone. What could not be removed is logged, and tried again ten minutes later. */
  async sweep(): Promise<number> {
    let gone = 0;
    const expired = await this.sql.query(claimExpired, [BATCH]);
    for (const store of ['disk', 's3', null] as const) {
      const rows = expired.filter((row) => row.store === store);
      if (rows.length > 0) gone += await this.remove(store, rows);
    }
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
