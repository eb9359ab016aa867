import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer as createHttpServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import path from 'node:path';
import { RegistrySession } from '../../src/registry-tokens/session.js';
import type { ConfiguredRegistry, RegistryCredential } from '../../src/worker/config/registries.js';
import { openCredentialProxy } from '../../src/worker/proxy/credential-proxy.js';
import type { ProxyLimits } from '../../src/worker/proxy/limits.js';
import type { ProxiedCall } from '../../src/worker/proxy/proxy-server.js';
import { RegistryRoute } from '../../src/worker/proxy/registry/registry-route.js';
import { settingsOf } from '../../src/worker/proxy/registry/registry-route-of-run.js';
import type { Route } from '../../src/worker/proxy/route.js';
import { freePort } from './service-process.js';
import { privateDirectory } from './unprivileged.js';

/** What is to be undone after a test. */
export type CleanUps = (() => unknown)[];

/** A registry as a worker is configured for it, anonymous unless told otherwise. */
export function configured(
  origin: string,
  more: Partial<ConfiguredRegistry> & { credential?: RegistryCredential } = {},
): ConfiguredRegistry {
  const { credential = 'none', ...rest } = more;
  return {
    ...{ name: 'registry.test', origin, credentials: [{ prefix: '', credential }] },
    ...{ trustedRealms: [], rewrites: [], redirects: [], widen: false, ...rest },
  };
}

export interface Opened {
  socketPath: string;
  /** `127.0.0.1:<port>`, for programs that know no unix sockets. It is a name of the first registry, too. */
  host: string;
  notes: string[];
  logged: ProxiedCall[];
  close(): Promise<void>;
}

export interface Opening {
  registries: ConfiguredRegistry[];
  scopes?: string[];
  bodyBytes?: number;
  most?: Partial<ProxyLimits>;
  /** Milliseconds, monotonic: what tokens live by. */
  now?: () => number;
}

/** The proxy of a run, with a way to registries and to nothing else. */
export async function openRegistryProxy({ registries, scopes = [], bodyBytes, most, now }: Opening, cleanUps: CleanUps): Promise<Opened> {
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const named = registries.map((registry) => ({ ...registry, ...(registry.name === 'registry.test' && { name: host }) }));
  const none = { rootUrl: 'http://127.0.0.1:1', scopes: [], credentials: () => ({ clientId: 'x', accessToken: 'x' }) };
  const settings = named.map((registry) => settingsOf(registry, none));
  const notes: string[] = [];
  const route = new RegistryRoute({
    session: new RegistrySession({ id: 'task/0', registries: settings, ...(now && { now }) }),
    ...{ registries: named, note: (line) => notes.push(line), ...(bodyBytes && { bodyBytes }) },
    definitionScopes: scopes.map((scope) => scope.replace('registry.test', host)),
  });
  return { ...(await openRoutes([route], cleanUps, port, most)), notes };
}

export async function openRoutes(routes: readonly Route[], cleanUps: CleanUps, port = 0, most: Partial<ProxyLimits> = {}): Promise<Opened> {
  const directory = privateDirectory('registries');
  const socketPath = path.join(directory, 'proxy');
  const forwarder = createServer((socket) => {
    const on = connect(socketPath);
    for (const [one, other] of [[socket, on] as const, [on, socket] as const]) one.on('error', () => other.destroy()).pipe(other);
  });
  const host = port === 0 ? 'registry.test' : `127.0.0.1:${await listening(forwarder, port)}`;
  const logged: ProxiedCall[] = [];
  const proxy = await openCredentialProxy({ socketPath, routes, most, log: (call) => logged.push(call) });
  const close = () => proxy.close();
  cleanUps.push(async () => {
    await close();
    forwarder.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { socketPath, host, notes: [], logged, close };
}

export interface Told {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
}

/** Calls as a step does. */
export async function step(
  { socketPath, host }: Opened,
  method: string,
  target: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: Buffer | string } = {},
): Promise<Told> {
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const request = httpRequest({ socketPath, method, path: target, agent: false, headers: { host, ...length, ...headers } });
  const answered = once(request, 'response') as Promise<[IncomingMessage]>;
  request.on('error', () => undefined).end(body);
  const [response] = await answered;
  let text = '';
  for await (const piece of response.setEncoding('latin1')) text += piece;
  return { status: response.statusCode ?? 0, headers: response.headers, text };
}

export interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
  /** Whether all of it came. */
  complete: boolean;
  closed: boolean;
}

export interface Upstream {
  origin: string;
  seen: Seen[];
}

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

/** A server that notes what it gets, and answers as it is told. */
export async function upstream(cleanUps: CleanUps, answer: Answer = (_, response) => response.end('{}')): Promise<Upstream> {
  const seen: Seen[] = [];
  const server = createHttpServer((request, response) => {
    const one = { method: request.method!, url: request.url!, headers: request.headers, body: '', complete: false, closed: false };
    seen.push(one);
    request.on('data', (piece: Buffer) => {
      if (one.body.length < 1_000) one.body += piece.toString('latin1');
    });
    request.on('end', () => (one.complete = true)).on('error', () => undefined);
    response.on('close', () => (one.closed = true));
    answer(request, response, seen.length);
  });
  const origin = `http://127.0.0.1:${await listening(server)}`;
  cleanUps.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin, seen };
}

/** Passes on what comes, and lets the test see it. */
export function recorder(cleanUps: CleanUps, origin: () => string, told: (headers: IncomingMessage['headers']) => void = () => undefined) {
  return upstream(cleanUps, (request, response) => {
    const { method, url, headers } = request;
    const { hostname, port } = new URL(origin());
    const on = httpRequest({ hostname, port, method, path: url, headers, agent: false }, (answer) => {
      told(answer.headers);
      answer.pipe(response.writeHead(answer.statusCode!, answer.headers));
    });
    request.pipe(on.on('error', () => response.destroy()));
  });
}

async function listening(server: Server, port = 0): Promise<number> {
  await once(server.listen(port, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}
