import { Injectable } from '@nestjs/common';
import { Sql, type Statement } from '../postgres/sql.js';
import type { Defined } from './sql/definition-columns.js';

/**
 * JSON such as [{},{},…] takes 25 times its bytes once it is parsed: of 20 pages of 2 MiB at once, which anybody may ask for, a heap of
 * 1 GB is full. And who claims must find a free connection, however many read lists.
 */
const MOST_AT_ONCE = 4;

/** Reads pages of definitions, a few at a time; who asks for more waits for a turn. */
@Injectable()
export class DefinitionPages {
  private free = MOST_AT_ONCE;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly sql: Sql) {}

  async read<Row extends Defined>(statement: Statement<Row>, parameters: readonly unknown[]): Promise<Row[]> {
    await this.turn();
    try {
      return await this.sql.query(statement, parameters);
    } finally {
      this.pass();
    }
  }

  private async turn(): Promise<void> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((go) => this.waiting.push(go));
  }

  /** A turn goes straight to who waits longest. */
  private pass(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.free++;
  }
}
