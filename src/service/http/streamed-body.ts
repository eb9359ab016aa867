import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/**
 * Stands for the type of a body that nobody reads before the handler does. Nobody can guess it: sent to another operation it would take
 * the body of that out of all limits.
 */
const UNREAD = `application/vnd.leasehold.${randomUUID()}`;

/** How long a sender or a reader may stand still. */
const IDLE_MS = 60_000;

/** How long those who are in the midst of it may go on when the service stops. Who sends a byte now and then could prevent its end. */
const STOP_WITHIN_MS = 5_000;

/** How long we go on listening to what we have refused: who is hung up on at once may never read why. */
const LINGER_MS = 5_000;

/** Requests whose body may take as long as it keeps coming. */
const patient = new WeakMap<Socket, IncomingMessage>();

/** Bodies of operations that are declared `streamed` are left to the handler: neither read into memory nor limited here. */
export function streamBodies(fastify: FastifyInstance): void {
  const streaming = new Set<Socket>(); // connections that were ever used for that
  fastify.addContentTypeParser(UNREAD, (_request, _body, done) => done(null, undefined));
  fastify.addHook('onRequest', (request, reply, done) => {
    if (isStreamed(request)) {
      request.raw.headers['content-type'] = UNREAD;
      follow(request.raw.socket, streaming);
      reply.raw.once('finish', () => request.raw.complete || linger(request.raw));
    }
    done();
  });
  fastify.addHook('preClose', async () => {
    const hangUp = () => {
      for (const socket of streaming) socket.destroy();
    };
    setTimeout(hangUp, STOP_WITHIN_MS).unref();
  });
  excusePatient(fastify.server as Server);
}

function follow(socket: Socket, streaming: Set<Socket>): void {
  if (streaming.has(socket)) return;
  streaming.add(socket);
  socket.once('close', () => streaming.delete(socket));
}

/**
 * From here on the body may take longer than requests may: only standing still for a minute ends it. For who has proved that the
 * bytes are wanted; anybody else could hold connections open by sending slowly.
 */
export function allowLongBody({ raw }: FastifyRequest, reply: FastifyReply): void {
  const excuse = () => raw.socket.setTimeout(0); // what is done with it may take longer
  patient.set(raw.socket, raw);
  raw.setTimeout(IDLE_MS, () => raw.destroy(new Error('the body did not go on')));
  raw.once('end', excuse);
  // what is refused is answered before its end; from then on the limit is Node's, for a connection without a request
  reply.raw.once('finish', () => raw.off('end', excuse));
}

/** The same of an answer: who reads nothing of it for a minute is hung up on. Node itself waits for ever. */
export function allowLongAnswer({ raw }: FastifyReply): void {
  raw.setTimeout(IDLE_MS);
  raw.prependOnceListener('finish', () => raw.setTimeout(0)); // before Node's, which sets that of a connection without a request
}

/** Reads on without keeping anything: a connection with half a body in it would be of no use for the caller's next request. */
function linger(request: IncomingMessage): void {
  request.resume();
  setTimeout(() => {
    if (!request.complete) request.socket.destroy();
  }, LINGER_MS).unref();
}

/** Node knows one limit for all requests of a server. It tells before it hangs up, and then the one who is told decides. */
function excusePatient(server: Server): void {
  const handlers = server.listeners('clientError') as ((error: NodeJS.ErrnoException, socket: Socket) => void)[];
  server.removeAllListeners('clientError');
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && patient.get(socket)?.complete === false) return;
    for (const handle of handlers) handle(error, socket);
  });
}

/** Whether the handler reads the body itself, as it comes. */
export function isStreamed(request: FastifyRequest): boolean {
  return (request.routeOptions?.config as { streamed?: boolean } | undefined)?.streamed === true;
}
