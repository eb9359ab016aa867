/** Where in the order of events something is: all with a lower tx, or the same and a lower or the same id, come before. */
export interface Position {
  tx: bigint;
  id: bigint;
}

/** Negative, zero or positive, as for sort(). */
export function comparePositions(one: Position, other: Position): number {
  return Number(one.tx - other.tx || one.id - other.id);
}

/** The text of a position; clients send it back as `Last-Event-ID`. */
export function formatPosition({ tx, id }: Position): string {
  return `${tx}-${id}`;
}

const POSITION = /^(\d{1,19})-(\d{1,18})$/; // both fit into the 64 bits of the database

export function parsePosition(text: string): Position | undefined {
  const [, tx, id] = POSITION.exec(text) ?? [];
  return tx === undefined || id === undefined ? undefined : { tx: BigInt(tx), id: BigInt(id) };
}
