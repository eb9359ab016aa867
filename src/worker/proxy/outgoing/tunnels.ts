import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { ProxyLimits } from '../limits.js';
import type { ProxiedCall } from '../proxy-server.js';
import { malformed, Refusal } from '../refusal.js';
import { refuseRaw } from '../refuse.js';
import { requestProblem } from '../request-problem.js';
import type { Route, Tunnel } from '../route.js';
import { joinSockets } from './join-sockets.js';
import { noTunnel } from './nowhere.js';
import { toldTarget } from './told-target.js';

const HUNG_UP = 499;
const FAILED = new Refusal(500, 'InternalServerError', 'The proxy failed; try again');

/** Answers CONNECT. A connection that became a tunnel is nothing else from then on: what comes on it is never read as a request again. */
export class Tunnels {
  readonly #serving = new Set<Promise<void>>();
  /** Ours to other servers. */
  readonly #upstreams = new Set<Socket>();

  constructor(
    private readonly routes: readonly Route[],
    private readonly most: ProxyLimits,
    private readonly log: (call: ProxiedCall) => void,
  ) {}

  /** `head` is what came behind the request. */
  serve(request: IncomingMessage, step: Socket, head: Buffer): void {
    const serving = this.#serve(request, step, head).finally(() => this.#serving.delete(serving));
    this.#serving.add(serving);
  }

  /** Resolves when none is left. There must not come new ones any more. */
  async close(): Promise<void> {
    for (const upstream of this.#upstreams) upstream.destroy(new Error('closed'));
    await Promise.all(this.#serving);
  }

  async #serve(request: IncomingMessage, step: Socket, head: Buffer): Promise<void> {
    const since = performance.now();
    const tell = (status: number, bytes?: ProxiedCall['bytes']) =>
      this.log({
        ...{ method: 'CONNECT', path: toldTarget('CONNECT', request.url), status, ms: Math.round(performance.now() - since) },
        ...(bytes && { bytes }),
      });
    try {
      const upstream = await this.#dialled(step, this.#tunnelOf(request));
      step.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      await joinSockets(step, upstream, this.most.tunnelIdleMs);
      tell(200, { sent: upstream.bytesWritten, received: upstream.bytesRead });
    } catch (error) {
      const refusal = error instanceof Refusal ? error : FAILED;
      tell(step.destroyed ? HUNG_UP : refusal.status);
      refuseRaw(step, refusal);
    }
  }

  #tunnelOf(request: IncomingMessage): Tunnel {
    const problem = requestProblem(request, this.most);
    if (problem) throw problem;
    // all that follows is for the other end: to say how long it is helps only who wants to be read in two ways
    if (request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0)
      throw malformed('A CONNECT has no body; leave it out');
    const tunnel = this.#ask(request.url ?? '');
    if (this.#serving.size < this.most.tunnels) return tunnel;
    throw new Refusal(503, 'ServiceUnavailable', `${this.most.tunnels} tunnels are open; close some, and try again`);
  }

  #ask(authority: string): Tunnel {
    for (const route of this.routes) {
      const tunnel = route.tunnelOf?.(authority);
      if (tunnel) return tunnel;
    }
    throw noTunnel(this.routes);
  }

  /** @throws Refusal */
  async #dialled(step: Socket, tunnel: Tunnel): Promise<Socket> {
    try {
      return await this.#connected(step, connect({ ...tunnel.dial(), allowHalfOpen: true, noDelay: true }));
    } catch (error) {
      throw tunnel.unreached(error as Error);
    }
  }

  async #connected(step: Socket, upstream: Socket): Promise<Socket> {
    this.#upstreams.add(upstream);
    upstream.on('error', () => undefined).once('close', () => this.#upstreams.delete(upstream));
    const hungUp = () => upstream.destroy(new Error('hung up'));
    step.once('close', hungUp);
    const late = new Refusal(504, 'ServiceUnavailable', `There was no connection within ${this.most.dialMs} ms; try again soon`);
    const timer = setTimeout(() => upstream.destroy(late), this.most.dialMs);
    try {
      await once(upstream, 'connect');
      return upstream;
    } finally {
      clearTimeout(timer);
      step.off('close', hungUp);
    }
  }
}
