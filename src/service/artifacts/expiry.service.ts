import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Logger } from '../http/logger.js';
import { Housekeeper, leftAfter } from '../postgres/housekeeper.js';
import { Sql } from '../postgres/sql.js';
import type { Deletion } from './blobs/blob-store.js';
import { Blobs } from './blobs/blobs.js';
import { DiskStore } from './blobs/disk-store.js';
import type { StoreName } from './sql/artifact-columns.js';
import { claimExpired, type ExpiredRow } from './sql/claim-expired.js';
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
    // by what was claimed: what is stuck must not make a sweep believe that nothing is left behind it
    const sweep = async () => leftAfter((await this.sweep()).claimed, BATCH);
    this.housekeeper.register({ name: 'forgetting expired artifacts', every: SWEEP_EVERY, batch: sweep });
    const tidy = async () => this.disk.removeAbandoned().then(() => 'done' as const);
    this.housekeeper.register({ name: 'removing abandoned uploads', every: SWEEP_EVERY, batch: tidy });
  }

  /** A batch. What could not be removed is logged, and tried again ten minutes later, after all that has not been tried. */
  async sweep(): Promise<{ claimed: number; gone: number }> {
    let gone = 0;
    const expired = await this.sql.query(claimExpired, [BATCH]);
    for (const store of ['disk', 's3', null] as const) {
      const rows = expired.filter((row) => row.store === store);
      if (rows.length > 0) gone += await this.remove(store, rows);
    }
    return { claimed: expired.length, gone };
  }

  /** Those rows whose bytes are gone. */
  private async remove(store: StoreName | null, expired: readonly ExpiredRow[]): Promise<number> {
    const deleted = store === null ? undefined : new Set(await this.deleteBytes(store, expired));
    const rows = expired.filter(({ blobId }) => blobId === null || !deleted || deleted.has(blobId));
    const columns = [rows.map(({ taskId }) => taskId), rows.map(({ runId }) => runId), rows.map(({ name }) => name)];
    return (await this.sql.query(deleteArtifacts, columns)).length;
  }

  private async deleteBytes(store: StoreName, rows: readonly ExpiredRow[]): Promise<string[]> {
    const blobIds = rows.flatMap(({ blobId }) => blobId ?? []);
    const deleting = this.blobs.store(store).then((blobs) => blobs.delete(blobIds));
    const { deleted, problem } = await deleting.catch((error: unknown): Deletion => ({ deleted: [], problem: error }));
    const left = blobIds.length - deleted.length;
    if (left > 0) this.logger.error({ err: problem, store, left }, 'the bytes of expired artifacts could not be deleted');
    return deleted;
  }
}
