import type { Runner } from '../postgres/sql.js';
import type { Link } from './chain.js';
import type { EntryRow } from './sql/entry-columns.js';
import type { Place } from './sql/find-place-of.js';
import { findStray } from './sql/find-stray.js';
import { type Block, readBlocks } from './sql/read-blocks.js';
import { type MarkRow, readMark } from './sql/read-mark.js';
import { readPlaces } from './sql/read-places.js';
import { type Tampering, verifyBlock } from './verify-block.js';

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
 * way. No snapshot is held open, so claims go on at their pace; what is pruned meanwhile is passed over.
 */
export async function verifyChain(runner: Runner, noted?: Link): Promise<Verdict> {
  const [pruned] = await runner.query(readMark, ['pruned']);
  if (!pruned) return { anchor: NOWHERE, head: NOWHERE, tampering: missingMark() };
  const walk = new Walk(pruned, noted);
  while (!(await walk.on(runner)));
  const [stray] = await runner.query(findStray);
  if (stray && !(walk.tampering && walk.tampering.seq <= Number(stray.seq))) walk.tampering = inserted(Number(stray.seq));
  const { anchor, head, tampering } = walk;
  return { anchor, head, ...(tampering && { tampering }) };
}

const NOWHERE: Link = { seq: 0, hash: Buffer.alloc(0) };

class Walk {
  readonly anchor: Link;
  head: Link;
  tampering: Tampering | undefined;
  /** Of the last one that was checked. */
  private place: Place;

  constructor(
    pruned: MarkRow,
    private readonly noted: Link | undefined,
  ) {
    this.anchor = this.head = { seq: Number(pruned.seq), hash: pruned.hash };
    this.place = pruned;
    this.compare(this.head);
  }

  /** Checks some blocks. Answers whether that was the end: of the chain, or of what can be believed. */
  async on(runner: Runner): Promise<boolean> {
    const found = await runner.query(readBlocks, [this.head.seq, PAGE]);
    const [mark] = found;
    if (!mark) return this.found(missingMark());
    const blocks = found.filter((row): row is Block & typeof row => row.last !== null);
    const { tx, id } = blocks.reduce<Place>((last, block) => (isBefore(last, block) ? block : last), this.place);
    // one more than there should be: of what was inserted a million need not be read
    const most = blocks.reduce((sum, { first, last }) => sum + Math.max(0, Number(last) - Number(first) + 1), 1);
    const read = await runner.query(readPlaces, [this.place.tx, this.place.id, tx, id, most]);
    const [pruned] = read;
    if (!pruned) return this.found(missingMark());
    // entries are deleted behind this mark only, so as long as it is behind us, none of those that were to be there was pruned
    if (Number(pruned.prunedSeq) > this.head.seq) return this.jump(pruned);
    const entries = read.filter((row): row is EntryRow & typeof row => row.tx !== null);
    for (const block of blocks) if (this.check(block, entries)) return true;
    return blocks.length === 0 && this.end({ seq: Number(mark.sealedSeq), hash: mark.sealedHash });
  }

  private jump({
    prunedSeq,
    prunedHash,
    prunedTx,
    prunedId,
  }: {
    prunedSeq: string;
    prunedHash: Buffer;
    prunedTx: string;
    prunedId: string;
  }) {
    this.head = { seq: Number(prunedSeq), hash: prunedHash };
    this.place = { tx: prunedTx, id: prunedId };
    this.compare(this.head);
    return this.tampering !== undefined;
  }

  /** `entries`: of this block and the next ones; those of this block are taken away. */
  private check(block: Block, entries: EntryRow[]): boolean {
    const next = entries.findIndex((entry) => isBefore(block, entry));
    const own = entries.splice(0, next === -1 ? entries.length : next);
    const { links, tampering } = verifyBlock(block, own, this.head);
    for (const link of links) if (this.compare(link)) return true;
    this.head = links.at(-1) ?? this.head;
    this.place = block;
    return tampering !== undefined && this.found(tampering);
  }

  private end(sealed: Link): boolean {
    const { seq, hash } = this.head;
    if (seq < sealed.seq) return this.found({ seq: seq + 1, what: 'deleted', why: `the chain ended with ${sealed.seq} once` });
    if (seq > sealed.seq) return this.found(inserted(sealed.seq + 1));
    if (!hash.equals(sealed.hash)) return this.found({ seq, what: 'altered', why: 'the mark of the end has another hash' });
    if (this.noted && this.noted.seq > seq) return this.found({ seq: seq + 1, what: 'deleted', why: 'the chain that was noted is longer' });
    return true;
  }

  /** Whether this is not what was noted. */
  private compare({ seq, hash }: Link): boolean {
    if (this.noted?.seq !== seq || this.noted.hash.equals(hash)) return false;
    return this.found({ seq, what: 'rewritten', why: 'another hash was noted for it' });
  }

  private found(tampering: Tampering): true {
    this.tampering ??= tampering;
    return true;
  }
}

function isBefore(one: Place, other: Place): boolean {
  const [tx, otherTx] = [BigInt(one.tx), BigInt(other.tx)];
  return tx < otherTx || (tx === otherTx && BigInt(one.id) < BigInt(other.id));
}

function inserted(seq: number): Tampering {
  return { seq, what: 'inserted', why: 'there is something at this place that was never sealed' };
}

function missingMark(): Tampering {
  return { seq: 1, what: 'deleted', why: 'table audit_mark has not both of its rows' };
}
