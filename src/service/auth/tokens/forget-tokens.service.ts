import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Housekeeper, type Left, leftAfter } from '../../postgres/housekeeper.js';
import { Sql } from '../../postgres/sql.js';
import { forgetProofs } from './sql/forget-proofs.js';
import { forgetTaskTokens } from './sql/forget-task-tokens.js';

const BATCH = 1_000;
const PROOFS_EVERY = 30;
const TOKENS_EVERY = 300;

/** Forgets tokens and proofs whose time is over. */
@Injectable()
export class ForgetTokensService implements OnModuleInit {
  constructor(
    private readonly sql: Sql,
    private readonly housekeeper: Housekeeper,
  ) {}

  onModuleInit(): void {
    this.housekeeper.register({ name: 'forgetting proofs', every: PROOFS_EVERY, batch: () => this.forgetProofs() });
    this.housekeeper.register({ name: 'forgetting task tokens', every: TOKENS_EVERY, batch: () => this.forgetTokens() });
  }

  async forgetProofs(): Promise<Left> {
    return leftAfter((await this.sql.query(forgetProofs, [BATCH])).length, BATCH);
  }

  async forgetTokens(): Promise<Left> {
    return leftAfter((await this.sql.query(forgetTaskTokens, [BATCH])).length, BATCH);
  }
}
