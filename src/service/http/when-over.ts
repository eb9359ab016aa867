import type { IncomingMessage, ServerResponse } from 'node:http';

const WANTED = Symbol('what is to be done when the request is over');

type Followed = IncomingMessage & { [WANTED]?: Set<() => void> | 'over' };

/**
 * Calls `over` once, when the answer was sent or its connection is gone; at once if it is. 'close' of the answer alone would not do: it
 * does not come any more where the caller hung up before now, and never to an answer that is behind others on its connection (pipelined).
 * What it answers takes that back.
 */
export function whenOver({ req, destroyed }: ServerResponse, over: () => void): () => void {
  const request = req as Followed;
  if (destroyed || request.socket.destroyed || request[WANTED] === 'over') {
    over();
    return () => undefined;
  }
  request[WANTED] ??= new Set();
  const wanted = request[WANTED];
  wanted.add(over);
  return () => wanted.delete(over);
}

/** For who follows the connections (connections.ts): one listener for each request and each connection, whoever else wants to know. */
export function isOver(request: IncomingMessage): void {
  const wanted = (request as Followed)[WANTED];
  (request as Followed)[WANTED] = 'over';
  if (wanted && wanted !== 'over') for (const over of wanted) over();
}
