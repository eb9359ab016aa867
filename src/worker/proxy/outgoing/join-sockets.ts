import type { Socket } from 'node:net';

/**
 * Lets each read what the other writes, no faster than it takes that. An end is passed on as an end, so that one side may go on when the
 * other has said all; a break is passed on as a break. Resolves when both are closed, which they are after so many milliseconds in which
 * nothing moves.
 */
export async function joinSockets(one: Socket, other: Socket, idleMs: number): Promise<void> {
  const closed = Promise.all([whenClosed(one), whenClosed(other)]);
  lead(one, other, idleMs);
  lead(other, one, idleMs);
  await closed;
}

function lead(from: Socket, to: Socket, idleMs: number): void {
  from.on('error', () => undefined);
  from.setTimeout(idleMs, () => from.destroy());
  from.once('close', () => {
    // what is written to the other, and ended there, still goes out
    if (!from.readableEnded || !from.writableFinished) to.destroy();
  });
  if (from.destroyed) to.destroy();
  else from.pipe(to);
}

const whenClosed = (socket: Socket) =>
  new Promise<void>((resolve) => (socket.closed ? resolve() : void socket.once('close', () => resolve())));
