import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Clock } from './clock.js';

const PASSED_ON = ['authorization', 'content-type'];
const PASSED_BACK = ['content-type', 'cache-control', 'www-authenticate'];

interface Kept {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
  at: number;
  maxAgeMs: number;
}

/**
 * What stands before the service in the world: one place for all replicas, which take turns, and a cache that keeps what it may for as long
 * as it is told to (RFC 9111), by its own clock. Who verifies tokens sees the service only through it.
 */
export class CachingProxy {
  private readonly kept = new Map<string, Kept>();
  private turn = 0;

  private constructor(
    private readonly server: Server,
    private readonly replicas: string[],
    private readonly clock: Clock,
  ) {}

  static async start(replicas: string[], clock: Clock): Promise<CachingProxy> {
    const server = createServer((request, response) => void proxy.answer(request, response));
    const proxy = new CachingProxy(server, replicas, clock);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await once(this.server.close(), 'close');
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/';
    const known = request.method === 'GET' ? this.kept.get(path) : undefined;
    const age = known ? this.clock.now() - known.at : 0;
    const fresh = known && age < known.maxAgeMs;
    const { status, headers, body } = fresh ? known : await this.ask(request, path);
    response.writeHead(status, { ...headers, age: String(fresh ? Math.floor(age / 1000) : 0) }).end(body);
  }

  private async ask(request: IncomingMessage, path: string): Promise<Kept> {
    const at = this.clock.now();
    const replica = this.replicas[this.turn++ % this.replicas.length] as string;
    const method = request.method ?? 'GET';
    const sent = PASSED_ON.flatMap((name) => (request.headers[name] ? [[name, String(request.headers[name])] as [string, string]] : []));
    const body = method === 'GET' ? undefined : await text(request);
    const answer = await fetch(replica + path, { method, headers: sent, body });
    const headers = Object.fromEntries([...answer.headers].filter(([name]) => PASSED_BACK.includes(name)));
    const maxAgeMs = Number(/\bmax-age=(\d+)/.exec(headers['cache-control'] ?? '')?.[1] ?? 0) * 1000;
    const kept = { status: answer.status, headers, body: Buffer.from(await answer.arrayBuffer()), at, maxAgeMs };
    if (method === 'GET' && answer.status === 200 && maxAgeMs > 0) this.kept.set(path, kept);
    return kept;
  }
}
