import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Housekeeper, type Left } from '../postgres/housekeeper.js';
import { type Runner, Sql } from '../postgres/sql.js';
import { chained } from './chain.js';
import type { EntryRow } from './sql/entry-columns.js';
import { type MarkRow, readMark } from './sql/read-mark.js';
import { readUnsealed } from './sql/read-unsealed.js';
import { sealBlock } from './sql/seal-block.js';

/** The name of the lock under which one process seals. */
const LOCK = 'audit';
const SEAL_EVERY = 2;
/** A block. Hashing takes 10 µs an entry, and nobody waits longer for a turn; who reads an entry counts the others of its block. */
const BATCH = 500;
/** One connection is made for so many batches, and ended after them. */
const MOST_BATCHES = 20;

/** Chains what was written, one process at a time: each entry gets a number and a hash over itself and all before it. */
@Injectable()
export class Sealer implements OnModuleInit {
  constructor(
    private readonly sql: Sql,
    private readonly housekeeper: Housekeeper,
  ) {}

  onModuleInit(): void {
    this.housekeeper.register({ name: 'sealing the audit log', every: SEAL_EVERY, batch: () => this.seal() });
  }

  /** Seals what can be sealed; nothing if there is nothing, or if another process does it. */
  async seal(): Promise<Left> {
    if ((await waiting(this.sql, 1)).rows.length === 0) return 'done';
    let left: Left = 'done';
    await this.sql.exclusively(LOCK, async (runner) => {
      let batches = 0;
      do left = await sealBatch(runner);
      while (left === 'more' && ++batches < MOST_BATCHES);
    });
    return left;
  }
}

async function waiting(runner: Runner, most: number): Promise<{ end: MarkRow; rows: EntryRow[] }> {
  const [end] = await runner.query(readMark, ['sealed']);
  if (!end) throw new Error('audit_mark has lost its row `sealed`');
  return { end, rows: await runner.query(readUnsealed, [end.tx, end.id, most]) };
}

async function sealBatch(runner: Runner): Promise<Left> {
  const { end, rows } = await waiting(runner, BATCH);
  const last = rows.at(-1);
  if (!last) return 'done';
  const links = chained(rows, { seq: Number(end.seq), hash: end.hash });
  const { seq, hash } = links.at(-1)!;
  const hashes = Buffer.concat(links.map((link) => link.hash));
  await runner.query(sealBlock, [end.seq, links[0]!.seq, seq, hashes, last.tx, last.id, last.at, hash]);
  return rows.length < BATCH ? 'done' : 'more';
}
