import { HASH_BYTES, type Link, linked } from './chain.js';
import type { EntryRow } from './sql/entry-columns.js';
import type { Block } from './sql/read-blocks.js';

/** The first number at which the log is not what was sealed. */
export interface Tampering {
  seq: number;
  /** `rewritten`: sound in itself, but not the chain whose end was noted. */
  what: 'altered' | 'deleted' | 'reordered' | 'inserted' | 'rewritten';
  why: string;
}

/** `links`: of the entries that are what was sealed, up to the first that is not. */
interface BlockVerdict {
  links: Link[];
  tampering?: Tampering;
}

/**
 * Checks the entries between the end of the block before and that of this one, in their order, against its hashes. As each hash is over the
 * one before it, an entry that is found at a wrong place can be told by the two hashes that should surround it.
 */
export function verifyBlock(block: Block, entries: readonly EntryRow[], from: Link): BlockVerdict {
  const sealed = new SealedHashes(block, from);
  const links: Link[] = [];
  const broken = (what: Tampering['what'], why: string, seq = from.seq + links.length + 1) => ({ links, tampering: { seq, what, why } });
  const first = Number(block.first);
  if (first > from.seq + 1) return broken('deleted', `the chain goes on with ${first}`);
  if (first <= from.seq) return broken('inserted', `a block begins with ${first} once more`);
  if (sealed.count * HASH_BYTES !== block.hashes.length) return broken('altered', 'its block has not a hash for each number');

  for (let nth = 0; nth < sealed.count; nth++) {
    const entry = entries[nth];
    if (entry && sealed.isAt(entry, nth)) {
      links.push(sealed.link(nth));
      continue;
    }
    const rest = entries.slice(nth);
    const isLater = entry !== undefined && sealed.indexOf(entry, nth + 1) !== -1;
    const comesLater = rest.slice(1).some((other) => sealed.isAt(other, nth));
    if (comesLater)
      return isLater ? broken('reordered', 'others come before it') : broken('inserted', 'an entry before it was never sealed');
    if (entry === undefined || isLater) return broken('deleted', 'its entry is gone');
    return broken('altered', 'it does not have the hash that was sealed');
  }
  if (entries.length > sealed.count) return broken('inserted', 'an entry before it was never sealed');
  const last = entries.at(-1);
  const seq = Number(block.last);
  if (last?.tx !== block.tx || last.id !== block.id) return broken('altered', 'its block ends at another place', seq);
  if (Number(last.at) !== Number(block.at)) return broken('altered', 'its block ends at another time', seq);
  return { links };
}

/** What the entries of a block must hash to. */
class SealedHashes {
  readonly count: number;

  constructor(
    private readonly block: Block,
    private readonly from: Link,
  ) {
    this.count = Number(block.last) - Number(block.first) + 1;
  }

  /** -1: the one before the block. */
  link(nth: number): Link {
    if (nth === -1) return this.from;
    return { seq: this.from.seq + nth + 1, hash: this.block.hashes.subarray(nth * HASH_BYTES, (nth + 1) * HASH_BYTES) };
  }

  isAt(entry: EntryRow, nth: number): boolean {
    return linked(entry, this.link(nth - 1)).hash.equals(this.link(nth).hash);
  }

  /** Where an entry was sealed, from one place on; -1: nowhere. */
  indexOf(entry: EntryRow, from: number): number {
    for (let nth = from; nth < this.count; nth++) if (this.isAt(entry, nth)) return nth;
    return -1;
  }
}
