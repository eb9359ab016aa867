import type { Runner } from '../postgres/sql.js';
import type { Position } from './position.js';
import { type EventRow, readEvents } from './sql/read-events.js';

export interface Page {
  rows: EventRow[];
  /** Up to where this page goes: all before it that will ever be there has been read. */
  position: Position;
}

/** The next events after a position, at most so many. A page that is not full goes up to the horizon. */
export async function readPage(runner: Runner, after: Position, limit: number): Promise<Page> {
  const found = await runner.query(readEvents, [String(after.tx), String(after.id), limit]);
  const rows = found.filter((row): row is EventRow & { horizon: string } => row.tx !== null);
  const last = rows.at(-1);
  const horizon = BigInt(found[0]?.horizon ?? 0);
  if (rows.length < limit && horizon > (last ? BigInt(last.tx) : after.tx)) return { rows, position: { tx: horizon, id: 0n } };
  return { rows, position: last ? positionOf(last) : after };
}

export function positionOf({ tx, id }: { tx: string; id: string }): Position {
  return { tx: BigInt(tx), id: BigInt(id) };
}
