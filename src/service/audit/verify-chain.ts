import type { Runner } from '../postgres/sql.js';
import { type Link, linked } from './chain.js';
import { findStray } from './sql/find-stray.js';
import { type ChainRow, readChain } from './sql/read-chain.js';
import { readMark } from './sql/read-mark.js';

/** The first number at which the log is not what was sealed. */
export interface Tampering {
  seq: number;
  /** `rewritten`: sound in itself, but not the chain whose end was noted. */
  what: 'altered' | 'deleted' | 'reordered' | 'inserted' | 'rewritten';
  why: string;
}

export interface Verdict {
  /** The last that was pruned: the chain hangs on it. */
  anchor: Link;
  /** The last that was checked. */
  head: Link;
  tampering?: Tampering;
}

const PAGE = 1_000;

/**
 * Checks each entry from the anchor on: that it is there, says what was sealed, and follows the one before it; and that there are no
 * others. `noted`: the end of the chain as it was once told, kept where who writes the database cannot change it; it must be passed on the
 * way. No snapshot is held open, so claims go on at their pace. Each page is of one moment, and what is pruned meanwhile is passed over.
 */
export async function verifyChain(runner: Runner, noted?: Link): Promise<Verdict> {
  const [pruned] = await runner.query(readMark, ['pruned']);
  if (!pruned) return broken(missingMark(), { seq: 0, hash: Buffer.alloc(0) });
  const walk = new Walk({ seq: Number(pruned.seq), hash: pruned.hash }, noted);
  while (!(await walk.on(runner)));
  const [stray] = await runner.query(findStray);
  if (stray && !(walk.tampering && walk.tampering.seq <= Number(stray.seq))) walk.tampering = inserted(Number(stray.seq));
  const { anchor, head, tampering } = walk;
  return { anchor, head, ...(tampering && { tampering }) };
}

class Walk {
  head: Link;
  tampering: Tampering | undefined;
  /** Of the last one that was checked; before all others at first. */
  private place: Place = { tx: '0', id: '0' };

  constructor(
    readonly anchor: Link,
    private readonly noted: Link | undefined,
  ) {
    this.head = anchor;
    this.compare();
  }

  /** Checks one page. Answers whether that was the end: of the chain, or of what can be believed. */
  async on(runner: Runner): Promise<boolean> {
    const found = await runner.query(readChain, [this.head.seq, PAGE]);
    const [marks] = found;
    if (!marks) return this.found(missingMark());
    if (Number(marks.prunedSeq) > this.head.seq) {
      this.head = { seq: Number(marks.prunedSeq), hash: marks.prunedHash };
      this.compare();
      return this.tampering !== undefined;
    }
    const rows = found.filter((row): row is ChainRow & typeof row => row.seq !== null);
    for (const [index, row] of rows.entries()) if (this.check(row, rows[index + 1])) return true;
    return rows.length < PAGE && this.end({ seq: Number(marks.sealedSeq), hash: marks.sealedHash });
  }

  private check(row: ChainRow, next: ChainRow | undefined): boolean {
    const seq = this.head.seq + 1;
    if (Number(row.seq) !== seq) return this.found({ seq, what: 'deleted', why: `the chain goes on with ${row.seq}` });
    if (!row.there) return this.found({ seq, what: 'deleted', why: 'its entry is gone' });
    if (!isBefore(this.place, row)) return this.found({ seq, what: 'reordered', why: 'it was written before the one it follows' });
    const link = linkOf(row, this.head);
    if (!link?.hash.equals(row.hash)) {
      const moved = next?.there && !isBefore(row, next);
      return this.found({ seq, what: moved ? 'reordered' : 'altered', why: 'it does not have the hash that was sealed' });
    }
    if (!row.agrees) return this.found({ seq, what: 'altered', why: 'it would be looked up by what it does not say' });
    this.head = link;
    this.place = row;
    this.compare();
    return this.tampering !== undefined;
  }

  private end(sealed: Link): boolean {
    const { seq, hash } = this.head;
    if (seq < sealed.seq) return this.found({ seq: seq + 1, what: 'deleted', why: `the chain ended with ${sealed.seq} once` });
    if (seq > sealed.seq) return this.found(inserted(sealed.seq + 1));
    if (!hash.equals(sealed.hash)) return this.found({ seq, what: 'altered', why: 'the mark of the end has another hash' });
    if (this.noted && this.noted.seq > seq) return this.found({ seq: seq + 1, what: 'deleted', why: 'the chain that was noted is longer' });
    return true;
  }

  private compare(): void {
    const { head, noted } = this;
    if (noted?.seq !== head.seq || noted.hash.equals(head.hash)) return;
    this.found({ seq: head.seq, what: 'rewritten', why: 'another hash was noted for it' });
  }

  private found(tampering: Tampering): true {
    this.tampering ??= tampering;
    return true;
  }
}

type Place = Pick<ChainRow, 'tx' | 'id'>;

function isBefore(one: Place, other: Place): boolean {
  const [tx, otherTx] = [BigInt(one.tx), BigInt(other.tx)];
  return tx < otherTx || (tx === otherTx && BigInt(one.id) < BigInt(other.id));
}

/** Undefined: the entry says what no service of ours ever wrote. */
function linkOf(row: ChainRow, previous: Link): Link | undefined {
  try {
    return linked(row, previous);
  } catch {
    return undefined;
  }
}

function inserted(seq: number): Tampering {
  return { seq, what: 'inserted', why: 'there is something at this place that was never sealed' };
}

function missingMark(): Tampering {
  return { seq: 1, what: 'deleted', why: 'table audit_mark has not both of its rows' };
}

function broken(tampering: Tampering, link: Link): Verdict {
  return { anchor: link, head: link, tampering };
}
