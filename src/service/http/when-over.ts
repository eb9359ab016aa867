import type { ServerResponse } from 'node:http';

/**
 * Calls `over` once, when the answer was sent or its connection is gone; at once if it is. 'close' of the answer alone would not do: it
 * does not come any more where the caller hung up before now, and never to an answer that is behind others on its connection (pipelined).
 * What it answers takes that back.
 */
export function whenOver(answer: ServerResponse, over: () => void): () => void {
  const { socket } = answer.req;
  const forget = () => {
    answer.off('close', once);
    socket.off('close', once);
  };
  const once = () => {
    forget();
    over();
  };
  if (answer.destroyed || socket.destroyed) over();
  else {
    answer.once('close', once);
    socket.once('close', once);
  }
  return forget;
}
