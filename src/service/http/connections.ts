import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { isOver } from './when-over.js';

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

/** Browsers send one at a time on a connection, clients of ours too; Node reads on as long as nothing is answered. */
const MOST_PIPELINED = 8;

/** As many as connections: those that wait for something have bounds of their own, which are lower. */
const MOST_REQUESTS = MOST_CONNECTIONS;

const REFUSAL = { code: 'ServiceUnavailable', message: `More than ${MOST_REQUESTS} requests are not served at once; try again soon` };

/**
 * Hands on only as many requests as fit into memory, whoever sends them: 2 000 connections with 890 of them each in one packet took 4 GiB,
 * and the process. Who sends too many on one connection is hung up on. Answers the requests of each connection that are not over; who
 * wants to know of the end of one: when-over.ts.
 */
export function boundRequests(server: Server): ReadonlyMap<Socket, ReadonlySet<IncomingMessage>> {
  const underWay = new Map<Socket, Set<IncomingMessage>>();
  let open = 0;
  server.on('connection', (socket: Socket) => {
    const requests = new Set<IncomingMessage>();
    underWay.set(socket, requests);
    socket.once('close', () => {
      underWay.delete(socket);
      for (const request of requests) end(request, requests); // an answer behind others on this connection hears nothing
    });
  });
  const end = (request: IncomingMessage, requests: Set<IncomingMessage>) => {
    if (!requests.delete(request)) return;
    open--;
    isOver(request);
  };
  const handlers = server.listeners('request') as ((request: IncomingMessage, answer: ServerResponse) => void)[];
  server.removeAllListeners('request');
  server.on('request', (request: IncomingMessage, answer: ServerResponse) => {
    const requests = underWay.get(request.socket);
    if (!requests || requests.size >= MOST_PIPELINED) return void request.socket.destroy();
    if (open >= MOST_REQUESTS) return refuse(answer);
    requests.add(request);
    open++;
    answer.once('close', () => end(request, requests));
    for (const handle of handlers) handle(request, answer);
  });
  return underWay;
}

function refuse(answer: ServerResponse): void {
  const retryAfter = String(1 + Math.floor(Math.random() * 5));
  answer
    .writeHead(503, { 'content-type': 'application/json', 'retry-after': retryAfter, connection: 'close' })
    .end(JSON.stringify(REFUSAL));
}

/** How long a connection may still begin a request when the service stops, and how long it may still send what it began, in ms. */
const BEGIN_WITHIN_MS = 1_000;
const SEND_WITHIN_MS = 5_000;

/**
 * Hangs up on who sends nothing when the service stops. Node hangs up on those who had a request before, and from then on has no limit
 * for others: one connection without a request, or with half a one, would prevent the end.
 */
export function hangUpAtStop(fastify: FastifyInstance, underWay: ReadonlyMap<Socket, ReadonlySet<IncomingMessage>>): void {
  const server = fastify.server as Server;
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
