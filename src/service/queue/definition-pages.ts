import { Injectable } from '@nestjs/common';
import type { Caller } from '../http/caller.js';
import { Turns } from '../http/turns.js';
import { Sql, type Statement } from '../postgres/sql.js';

/**
 * JSON such as [{},{},…] takes 25 times its bytes once it is parsed: of 20 pages of 2 MiB at once, which anybody may ask for, a heap of
 * 1 GB is full. And who claims must find a free connection, however many read lists.
 */
const MOST_AT_ONCE = 4;
const MOST_WAITING = { all: 64, client: 32, strangers: 16 };

/** Reads pages of tasks, a few at a time; who asks for more waits for a turn. */
@Injectable()
export class DefinitionPages {
  private readonly turns = new Turns('lists of tasks', MOST_AT_ONCE, MOST_WAITING);

  constructor(private readonly sql: Sql) {}

  /** Throws ServiceUnavailable when too many wait. */
  read<Row>(statement: Statement<Row>, parameters: readonly unknown[], caller: Caller): Promise<Row[]> {
    return this.turns.take(caller.account, () => this.sql.query(statement, parameters));
  }
}
