import { once } from 'node:events';
import { Agent, createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Answer, Asked, Behaviour } from './behaviour.js';

/** One request and how it was answered. */
export interface Seen {
  method: string;
  /** Path and query. */
  target: string;
  status: number;
  authorization: string | undefined;
  cookie: string | undefined;
}

/** Not to be passed on by whoever stands between: the connections are not the same. */
const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding'];

/**
 * What stands before a registry, on the loopback interface: passes everything on, but for its behaviours, and remembers every request with
 * the credential that it bore. Without behaviours it is as compliant as the registry itself.
 */
export class Gateway {
  readonly seen: Seen[] = [];
  private readonly agent = new Agent({ keepAlive: true });

  private constructor(
    private readonly server: Server,
    /** `http://127.0.0.1:<port>` of the registry. */
    private readonly upstream: string,
    private readonly behaviours: readonly Behaviour[],
  ) {}

  static async start(upstream: string, ...behaviours: Behaviour[]): Promise<Gateway> {
    const server = createServer((request, response) => void gateway.serve(request, response));
    const gateway = new Gateway(server, upstream, behaviours);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return gateway;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  get origin(): string {
    return `http://${this.host}`;
  }

  /** How many requests were answered so. */
  count(status: number, method?: string): number {
    return this.seen.filter((seen) => seen.status === status && (method === undefined || seen.method === method)).length;
  }

  /** Every Authorization that has arrived, once. */
  get authorizations(): string[] {
    return [...new Set(this.seen.flatMap(({ authorization }) => authorization ?? []))];
  }

  reset(): void {
    this.seen.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.agent.destroy();
    await once(this.server.close(), 'close');
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: came = '', headers } = request;
    const seen: Seen = { method, target: came, status: 0, authorization: headers.authorization, cookie: headers.cookie };
    this.seen.push(seen); // before it is answered: what a client has sent, it has sent
    response.on('error', () => request.destroy());
    const asked: Asked = { method, came, target: came, headers: { ...headers }, origin: this.origin };
    const { answer, body } = await this.answerTo(asked, request);
    for (const behaviour of this.behaviours.toReversed()) behaviour.answered?.(answer, asked);
    seen.status = answer.status;
    send(response, answer, body);
    request.resume();
  }

  private async answerTo(asked: Asked, request: IncomingMessage): Promise<{ answer: Answer; body?: IncomingMessage }> {
    for (const behaviour of this.behaviours) {
      const answer = behaviour.asked?.(asked);
      if (answer) return { answer };
    }
    const { method, target: path, headers } = asked;
    const upstream = httpRequest(this.upstream, { method, path, headers, agent: this.agent });
    const answered = once(upstream, 'response') as Promise<[IncomingMessage]>;
    request.on('close', () => request.complete || upstream.destroy()).pipe(upstream);
    upstream.on('error', () => undefined); // later ones: whoever reads hears of them
    try {
      const [body] = await answered;
      return { answer: { status: body.statusCode ?? 502, headers: headersOf(body) }, body };
    } catch {
      return { answer: { status: 502, headers: {} } };
    }
  }
}

function headersOf({ headersDistinct }: IncomingMessage): Answer['headers'] {
  const all = Object.entries(headersDistinct).filter(([name]) => !HOP_BY_HOP.includes(name));
  return Object.fromEntries(all.map(([name, values = []]) => [name, values.length === 1 ? values[0] : values]));
}

function send(response: ServerResponse, { status, headers, body: own, raw }: Answer, body: IncomingMessage | undefined): void {
  if (raw !== undefined || own !== undefined) body?.resume();
  if (raw !== undefined) return void response.socket?.end(raw, 'latin1');
  const { 'content-length': length, ...others } = headers;
  const sized = own === undefined ? { ...headers, 'content-length': length } : others;
  const told = Object.entries(sized).filter((header): header is [string, string | string[]] => header[1] !== undefined);
  response.writeHead(status, Object.fromEntries(told));
  if (own !== undefined || !body) response.end(own ?? '');
  else body.on('error', () => response.destroy()).pipe(response);
}
