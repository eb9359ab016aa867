import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What fell into the trap. */
export interface Caught {
  method: string;
  host: string;
  /** Path and query. */
  target: string;
  authorization: string | undefined;
  cookie: string | undefined;
  body: string;
}

/** Headers that say who somebody is. */
const PROVES = ['authorization', 'cookie', 'proxy-authorization', 'x-registry-auth'] as const;

/**
 * Where no credential should ever arrive. Remembers everything, and answers as a registry, a token server or a CDN would, so that a client
 * that has been led here goes on and shows all it has.
 */
export class TrapServer {
  readonly caught: Caught[] = [];
  /** What it has to show as a CDN, by digest. */
  readonly blobs = new Map<string, Buffer>();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<TrapServer> {
    const server = createServer((request, response) => void trap.serve(request, response));
    const trap = new TrapServer(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return trap;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** To a registry at 127.0.0.1 that is another port of the same host. */
  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** And this another host. */
  get elsewhere(): string {
    return `http://localhost:${this.port}`;
  }

  get realm(): string {
    return `${this.origin}/token`;
  }

  /** Requests that bore a credential of any kind, or one of `secrets` anywhere, as it is or in Base64. */
  leaks(secrets: readonly string[] = []): Caught[] {
    const forms = secrets.flatMap((secret) => [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    ]);
    return this.caught.filter((caught) => {
      const all = [caught.target, decoded(caught.authorization), ...Object.values(caught)].join('\n');
      return caught.authorization !== undefined || caught.cookie !== undefined || forms.some((form) => all.includes(form));
    });
  }

  reset(): void {
    this.caught.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await once(this.server.close(), 'close');
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: target = '', headers } = request;
    const proof = PROVES.flatMap((name) => (name === 'cookie' ? [] : (headers[name] ?? []))).join(', ');
    const body = await text(request);
    this.caught.push({ method, host: headers.host ?? '', target, authorization: proof || undefined, cookie: headers.cookie, body });
    response.on('error', () => undefined);
    this.answer(method, target, body, response);
  }

  private answer(method: string, target: string, body: string, response: ServerResponse): void {
    const blob = this.blobs.get(/sha256:[0-9a-f]{64}/.exec(target)?.[0] ?? '');
    const upload = { location: `${this.origin}${target.split('?')[0]}`, range: '0-0', 'docker-upload-uuid': 'trap' };
    const digest = new URL(target, this.origin).searchParams.get('digest') ?? `sha256:${createHash('sha256').update(body).digest('hex')}`;
    if (/\/(token|own-realm)/.test(target)) json(response, 200, { token: 'made.by.the-trap', expires_in: 300 });
    else if (blob && method === 'GET') response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(blob);
    else if (method === 'POST' || method === 'PATCH') response.writeHead(202, upload).end();
    else if (method === 'PUT') response.writeHead(201, { location: target, 'docker-content-digest': digest }).end();
    else json(response, 200, {});
  }
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const decoded = (authorization = '') => Buffer.from(authorization.replace(/^Basic /i, ''), 'base64').toString('latin1');
