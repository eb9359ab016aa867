import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** Each holds up to 32 kB of headers and a small body before anybody knows whose it is. */
const MOST_CONNECTIONS = 10_000;

/**
 * Hangs up on who comes beyond `most`. Not by `server.maxConnections`: a full process of a cluster hands a connection back then, the first
 * process offers it to the next, and while all are full it goes round and round at the cost of a core, and nobody is hung up on.
 */
export function boundConnections(server: Server, most = MOST_CONNECTIONS): void {
  let open = 0;
  server.prependListener('connection', (socket: Socket) => {
    if (open >= most) {
      socket.destroy();
      return;
    }
    open++;
    socket.once('close', () => open--);
  });
}
