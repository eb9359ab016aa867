import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Config } from '../config.js';
import { Housekeeper, type Left } from '../postgres/housekeeper.js';
import { Sql } from '../postgres/sql.js';
import { deletePruned } from './sql/delete-pruned.js';
import { moveAnchor } from './sql/move-anchor.js';

const PRUNE_EVERY = 60;
const BATCH = 1_000;

/** Deletes blocks of which all is older than AUDIT_RETENTION, oldest first; number and hash of the last one stay, and the rest hangs on them. */
@Injectable()
export class Pruner implements OnModuleInit {
  constructor(
    private readonly sql: Sql,
    private readonly config: Config,
    private readonly housekeeper: Housekeeper,
  ) {}

  onModuleInit(): void {
    if (this.config.auditRetention === 0) return;
    this.housekeeper.register({ name: 'pruning the audit log', every: PRUNE_EVERY, batch: () => this.prune() });
  }

  /** One batch; the mark first, for only what lies before it may be deleted. */
  prune(): Promise<Left> {
    return this.sql.transaction(async (runner) => {
      const [moved] = await runner.query(moveAnchor, [this.config.auditRetention, BATCH]);
      if (!moved) return 'done';
      await runner.query(deletePruned);
      return 'more';
    });
  }
}
