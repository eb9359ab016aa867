import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

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

/** How long a connection may still begin a request when the service stops, and how long it may still send what it began, in ms. */
const BEGIN_WITHIN_MS = 1_000;
const SEND_WITHIN_MS = 5_000;

/**
 * Hangs up on who sends nothing when the service stops. Node hangs up on those who had a request before, and from then on has no limit
 * for others: one connection without a request, or with half a one, would prevent the end.
 */
export function hangUpAtStop(fastify: FastifyInstance): void {
  const server = fastify.server as Server;
  const underWay = new Map<Socket, Set<IncomingMessage>>();
  server.on('connection', (socket: Socket) => {
    underWay.set(socket, new Set());
    socket.once('close', () => underWay.delete(socket));
  });
  server.prependListener('request', (request: IncomingMessage, answer: ServerResponse) => {
    const requests = underWay.get(request.socket);
    requests?.add(request);
    answer.once('close', () => requests?.delete(request));
  });
  fastify.addHook('preClose', async () => {
    const began = performance.now();
    const timer = setInterval(() => {
      const late = performance.now() - began > SEND_WITHIN_MS;
      for (const [socket, requests] of underWay) {
        if (![...requests].some(({ complete }) => complete || !late)) socket.destroy();
      }
    }, BEGIN_WITHIN_MS).unref();
    server.once('close', () => clearInterval(timer));
  });
}
