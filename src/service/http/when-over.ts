import type { ServerResponse } from 'node:http';

/**
 * Calls `over` once, when the answer was sent or its connection is gone. 'close' of the answer alone would not do: it does not come any more
 * where the caller hung up before now, and never to an answer that is behind others on its connection (pipelined).
 */
export function whenOver(answer: ServerResponse, over: () => void): void {
  const { socket } = answer.req;
  if (answer.destroyed || socket.destroyed) {
    over();
    return;
  }
  const once = () => {
    answer.off('close', once);
    socket.off('close', once);
    over();
  };
  answer.once('close', once);
  socket.once('close', once);
}
