import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SetupError } from '../state/setup-error.js';
import { HarmlessText } from './bytes/harmless-text.js';
import type { LiveLog } from './live-log.js';

/** Whoever has the URL may read; nobody can guess 256 bits. */
const SECRET_BYTES = 32;
const PATH = /^\/log\/([A-Za-z0-9_-]{43})$/;

const MOST_CONNECTIONS = 256;
/** One task's readers must not take the places of all the others. */
const MOST_READERS = 32;
/** Milliseconds that a reader may take for what it was sent last. A quiet log may be read for hours. */
const STALLED = 60_000;
const HEADERS_WITHIN = 10_000;

/** As upstream's livelog, so that pages of other origins show the log; and what keeps it from being taken for a page itself. */
const HEADERS = {
  'content-type': 'text/plain; charset=utf-8',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "sandbox; default-src 'none'",
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'X-Streaming',
  'x-streaming': 'true',
};

export interface LiveLogAddress {
  host: string;
  /** 0: any that is free. */
  port: number;
  /** How others reach this server, if not by that host and port: behind a proxy, in a container. */
  url?: string;
}

interface Served {
  log: LiveLog;
  readers: number;
}

/** Shows logs while they grow, to whoever knows their URLs. What is shown is harmless to terminals (HarmlessText); the file is not touched. */
export class LiveLogServer {
  /** By the hash of their secret: how long a look-up takes says nothing of the secrets that are there. */
  readonly #logs = new Map<string, Served>();

  private constructor(
    private readonly server: Server,
    private readonly url: string,
  ) {}

  /** Rejects with SetupError where that address cannot be listened on, or is any address and no URL is given. */
  static async open({ host, port, url }: LiveLogAddress): Promise<LiveLogServer> {
    if (url === undefined && isAny(host)) throw new SetupError(`Live logs on ${host} have no URL; say by which others reach this worker`);
    const server = createServer({ headersTimeout: HEADERS_WITHIN, requestTimeout: HEADERS_WITHIN, keepAlive: true });
    server.maxConnections = MOST_CONNECTIONS;
    server.listen(port, host);
    await once(server, 'listening').catch(({ code }: NodeJS.ErrnoException) => {
      throw new SetupError(
        `Live logs cannot be served on ${host}:${port} (${code}); set liveLog to an address of this machine and a free port`,
      );
    });
    const one = new LiveLogServer(server, (url ?? urlOf(server)).replace(/\/+$/, ''));
    server.on('request', (request, response) => void one.#answer(request, response));
    return one;
  }

  /** The URL is a secret. Once closed it has no new readers; those that are there read on to the end of the log. */
  serve(log: LiveLog): { url: string; close(): void } {
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    this.#logs.set(hashOf(secret), { log, readers: 0 });
    return { url: `${this.url}/log/${secret}`, close: () => void this.#logs.delete(hashOf(secret)) };
  }

  /** Ends all readers, wherever they are. */
  async close(): Promise<void> {
    this.#logs.clear();
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  async #answer({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, secret] = PATH.exec(url) ?? [];
    const served = secret === undefined ? undefined : this.#logs.get(hashOf(secret));
    if (!served) refuse(response, 404, 'There is no such log, or it is over\n');
    else if (method !== 'GET' && method !== 'HEAD') refuse(response, 405, 'A log can only be read\n', { allow: 'GET, HEAD' });
    else if (method === 'HEAD') response.writeHead(200, HEADERS).end();
    else if (served.readers >= MOST_READERS) refuse(response, 503, 'Too many read this log\n', { 'retry-after': '10' });
    else await show(served, response);
  }
}

async function show(served: Served, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort()).on('error', () => gone.abort());
  served.readers++;
  try {
    response.writeHead(200, HEADERS).flushHeaders();
    const text = new HarmlessText();
    for await (const chunk of served.log.follow(0, gone.signal)) await send(response, text.push(chunk), gone.signal);
    const finished = once(response, 'finish', { signal: patience(gone.signal) });
    response.end(text.end());
    await finished;
  } catch {
    response.destroy(); // who reads is to see that something is missing
  } finally {
    served.readers--;
  }
}

/** Rejects where the reader takes nothing for too long, or is gone. */
async function send(response: ServerResponse, bytes: Buffer, signal: AbortSignal): Promise<void> {
  if (response.write(bytes)) return;
  await once(response, 'drain', { signal: patience(signal) });
}

const patience = (gone: AbortSignal) => AbortSignal.any([gone, AbortSignal.timeout(STALLED)]);

function refuse(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  const { 'x-streaming': _, ...always } = HEADERS;
  response.writeHead(status, { ...always, ...headers }).end(text);
}

function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

const isAny = (host: string) => host === '' || host === '::' || host === '0.0.0.0';

const hashOf = (secret: string) => createHash('sha256').update(secret).digest('base64');
