import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';

export interface Request {
  method: string;
  /** Path and query; or a whole URL, as a registry may name it. */
  target: string;
  headers?: Record<string, string>;
  body?: Buffer;
}

export interface Response {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export type Send = (request: Request) => Promise<Response>;

/** The registry as a client reaches it: by its own address, or at the end of a socket, by the name that is asked for there. */
export interface Place {
  /** Host and port. */
  host: string;
  socketPath?: string;
}

/** Speaks HTTP and nothing more: knows no credential, and does as it is told. As many connections as it may have requests at once. */
export class RegistryClient {
  private readonly agent: Agent;

  constructor(
    readonly place: Place,
    concurrency: number,
  ) {
    this.agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  }

  readonly send: Send = async ({ method, target, headers = {}, body }) => {
    const { host, socketPath } = this.place;
    const url = new URL(target, `http://${host}`);
    if (socketPath && url.host !== host) throw new Error(`${method} would have to be sent to ${url.origin}, which is not ${host}`);
    const to = socketPath ? { socketPath } : { host: url.hostname, port: url.port };
    const length = body ? { 'content-length': String(body.length) } : method === 'POST' ? { 'content-length': '0' } : {};
    const path = `${url.pathname}${url.search}`;
    const request = httpRequest({ ...to, method, path, headers: { host: url.host, ...length, ...headers }, agent: this.agent });
    const answered = once(request, 'response') as Promise<[IncomingMessage]>;
    request.end(body);
    const [response] = await answered;
    return { status: response.statusCode ?? 0, headers: response.headers, body: await buffer(response) };
  };

  [Symbol.dispose](): void {
    this.agent.destroy();
  }
}
