import { createHash } from 'node:crypto';
import { canonicalJson } from '../../signatures/canonical-json.js';
import type { Entry } from './sql/entry-columns.js';

/** A place in the chain. */
export interface Link {
  seq: number;
  hash: Buffer;
}

/** Of SHA-256. */
export const HASH_BYTES = 32;

/** What comes before the first entry. */
export const BEGINNING: Link = { seq: 0, hash: Buffer.alloc(HASH_BYTES) };

/** The entry that follows `previous`: its hash is over its number, the hash before it and all that it says. */
export function linked({ at, kind, actor, taskId, runId, detail }: Entry, previous: Link): Link {
  const seq = previous.seq + 1;
  const said = { seq, previous: previous.hash.toString('hex'), at: inWords(at), kind, actor, taskId, runId };
  return { seq, hash: createHash('sha256').update(canonical(said, detail)).digest() };
}

/** The links of entries that follow one another. */
export function chained(entries: readonly Entry[], from: Link): Link[] {
  let link = from;
  return entries.map((entry) => {
    link = linked(entry, link);
    return link;
  });
}

/** Postgres has numbers and strings that JSON cannot say. We write none; whoever does must not keep all that follows from being chained. */
function canonical(said: object, detail: Entry['detail']): string {
  try {
    return canonicalJson({ ...said, detail });
  } catch {
    const shown = JSON.stringify(detail, (_, value) => (typeof value === 'number' ? String(value) : value));
    return canonicalJson({ ...said, detail: { unsaid: shown } });
  }
}

/** Postgres has times that are none in JavaScript, such as infinity; who tampers may set one. */
function inWords(at: Date): string {
  return Number.isFinite(Number(at)) ? new Date(at).toISOString() : String(at);
}
