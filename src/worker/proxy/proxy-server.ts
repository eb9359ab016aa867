import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Turns } from '../turns.js';
import type { ProxyLimits } from './limits.js';
import { nowhere } from './outgoing/nowhere.js';
import { toldTarget } from './outgoing/told-target.js';
import { Tunnels } from './outgoing/tunnels.js';
import { malformed, Refusal } from './refusal.js';
import { leaveBody, refuse, refuseRaw } from './refuse.js';
import { hasBody, requestProblem } from './request-problem.js';
import type { Handler, Route } from './route.js';

/** What is told of a request: no header, no body, and of its URL no query, where signatures are. */
export interface ProxiedCall {
  method: string;
  /** With the origin before it where the step named one; of a tunnel, host and port. */
  path: string;
  /** 499: the step did not wait for the answer. */
  status: number;
  ms: number;
  /** Of a tunnel, by the step and to it. */
  bytes?: { sent: number; received: number };
}

/** Milliseconds in which a request's headers must be there, for which a connection may have none, and between looks at that. */
const HEADERS_WITHIN = 30_000;
const KEPT_ALIVE = 60_000;
const LOOK_EVERY = 1_000;

const HUNG_UP = 499; // as the service logs it

/** Serves steps on a socket. Takes each for hostile: it may send anything, for ever, or never read. */
export class ProxyServer {
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  /** By connection, what is being answered. */
  readonly #answers = new WeakMap<Duplex, ServerResponse>();
  /** By connection, what ends each of its requests. Where several follow one another, Node tells but the first that the connection is gone. */
  readonly #underWay = new WeakMap<Duplex, Set<() => void>>();
  readonly #turns: Turns;
  #waitingBodies = 0;
  readonly #tunnels: Tunnels;
  #closed: Promise<unknown> | undefined;

  constructor(
    private readonly routes: readonly Route[],
    private readonly most: ProxyLimits,
    private readonly log: (call: ProxiedCall) => void,
  ) {
    this.#turns = new Turns(most.requests);
    this.#tunnels = new Tunnels(routes, most, log);
    this.#server = createServer({
      maxHeaderSize: most.headerBytes,
      headersTimeout: Math.min(HEADERS_WITHIN, most.requestMs),
      requestTimeout: most.requestMs,
      connectionsCheckingInterval: LOOK_EVERY,
      keepAliveTimeout: KEPT_ALIVE,
      requireHostHeader: false, // without one it is a request to the API
      insecureHTTPParser: false,
    });
    this.#server.maxConnections = most.connections;
    this.#attach();
  }

  async listen(socketPath: string): Promise<void> {
    await once(this.#server.listen(socketPath), 'listening');
  }

  async close(): Promise<void> {
    this.#closed ??= once(this.#server.close(), 'close'); // which removes the socket from its directory
    for (const socket of this.#sockets) socket.destroy();
    await this.#closed;
    await this.#tunnels.close();
  }

  #attach(): void {
    const serve = (request: IncomingMessage, answer: ServerResponse) => void this.#serve(request, answer);
    this.#server.on('request', serve).on('checkContinue', serve).on('checkExpectation', serve);
    this.#server.on('error', () => undefined); // of one connection that could not be taken
    this.#server.on('connection', (socket) => {
      socket.on('error', () => undefined); // a step that hangs up ends nothing but its request
      this.#sockets.add(socket);
      const underWay = new Set<() => void>();
      this.#underWay.set(socket, underWay);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        for (const end of underWay) end();
      });
    });
    this.#server.on('connect', (request, socket, head) => this.#connect(request, socket as Socket, head));
    this.#server.on('clientError', (error, socket) => this.#refuseRaw(socket, unreadable(error)));
  }

  async #serve(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    this.#answers.set(request.socket, answer);
    if (this.#turns.waiting >= this.most.connections) return void request.socket.destroy(); // it sends without waiting for answers
    answer.on('error', () => undefined); // nobody reads it any more
    const signal = this.#watch(request, answer);
    try {
      const { handle, most } = this.#handlerOf(request);
      await this.#inTurn(request, signal, () => handle({ request, answer, signal, most }));
      leaveBody(request);
    } catch (error) {
      refuse(request, answer, error);
    }
  }

  async #inTurn(request: IncomingMessage, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    if (!this.#turns.isTaken || !hasBody(request.headers)) return this.#turns.take(signal, work);
    if (this.#waitingBodies >= this.most.waitingBodies)
      throw new Refusal(503, 'ServiceUnavailable', `${this.#waitingBodies} requests with a body wait already; send fewer at once`);
    this.#waitingBodies++;
    let waits = true;
    const waited = () => {
      if (waits) this.#waitingBodies--;
      waits = false;
    };
    const begun = () => {
      waited();
      return work();
    };
    await this.#turns.take(signal, begun).finally(waited);
  }

  #handlerOf(request: IncomingMessage): { handle: Handler; most: ProxyLimits } {
    for (const route of this.routes) {
      const handle = route.handlerOf(request);
      if (!handle) continue;
      const most = { ...this.most, bodyBytes: route.bodyBytes ?? this.most.bodyBytes };
      const problem = requestProblem(request, most);
      if (problem) throw problem;
      return { handle, most };
    }
    throw nowhere(this.routes);
  }

  /** What came before it on its connection is answered before anything else is said there, or never. */
  #connect(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const before = this.#answers.get(socket);
    if (before && !before.writableFinished) socket.destroy();
    else this.#tunnels.serve(request, socket, head);
  }

  /** Logs the request when it is over. The signal is aborted then, or when that takes too long. */
  #watch(request: IncomingMessage, answer: ServerResponse): AbortSignal {
    const since = performance.now();
    const over = new AbortController();
    const late = new Refusal(504, 'ServiceUnavailable', `This took longer than ${this.most.requestMs} ms; ask for less at once`);
    const timer = setTimeout(() => over.abort(late), this.most.requestMs);
    const underWay = this.#underWay.get(request.socket);
    const end = () => {
      if (underWay?.delete(end) === false) return;
      clearTimeout(timer);
      over.abort();
      const status = answer.writableFinished ? answer.statusCode : HUNG_UP;
      this.log({ method: request.method ?? '', path: toldTarget('', request.url), status, ms: Math.round(performance.now() - since) });
    };
    underWay?.add(end);
    answer.once('close', end);
    return over.signal;
  }

  #refuseRaw(socket: Duplex, refusal: Refusal): void {
    const answer = this.#answers.get(socket);
    if (!socket.writable || (answer?.headersSent && !answer.writableFinished)) socket.destroy();
    else refuseRaw(socket, refusal);
  }
}

function unreadable({ code }: NodeJS.ErrnoException): Refusal {
  if (code === 'HPE_HEADER_OVERFLOW') return new Refusal(431, 'InputTooLarge', 'The headers are too long; send less of them');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new Refusal(408, 'InvalidRequestArguments', 'The request did not come in time');
  return malformed(`This is no HTTP/1.1 request (${code ?? 'cut off'})`);
}
