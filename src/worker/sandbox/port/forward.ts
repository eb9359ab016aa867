import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Address } from './proxy-names.js';

export interface Forwarding {
  addresses: readonly Address[];
  /** A unix socket: where all of it leads. */
  socketPath: string;
  /** At once, at all addresses together; one more is hung up on. */
  connections: number;
}

/**
 * Passes each connection on to the socket, byte by byte, and neither way faster than the other end takes it. What one end has said to its end
 * the other is told so, and may still answer. Resolves when all addresses are listened at; rejects when one of them cannot be.
 */
export async function forward({ addresses, socketPath, connections }: Forwarding): Promise<readonly Server[]> {
  const open = new Set<Socket>();
  const take = (socket: Socket) => {
    if (open.size >= connections) return void socket.destroy();
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    join(socket, connect({ path: socketPath, allowHalfOpen: true }));
  };
  const servers = addresses.map(() => createServer({ allowHalfOpen: true, noDelay: true }, take));
  // of one connection that could not be taken
  for (const server of servers) server.once('listening', () => server.on('error', () => undefined));
  await Promise.all(servers.map((server, index) => once(server.listen({ ...addresses[index]! }), 'listening')));
  return servers;
}

function join(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to); // and ends it
    from.on('error', () => to.destroy());
    // who was told the end of it still takes what is on its way
    from.once('close', () => void (to.writableEnded || to.destroy()));
  }
}
