import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Registry } from 'prom-client';
import { type Config, cannotListen } from '../config.js';

/** Something that describes itself in the text format of Prometheus. */
export type Metrics = () => Promise<string>;

/** Where it listens, and how it stops. */
export interface MetricsServer {
  url: string;
  close(): Promise<void>;
}

/** Serves metrics on a port of their own, at /metrics, to whoever reaches it. Throws ConfigError where nothing can listen. */
export async function serveMetrics(port: number, { host }: Config, sources: readonly Metrics[]): Promise<MetricsServer> {
  const server = createServer((request, response) => answer(request, response, sources));
  await new Promise<void>((listening, refused) => {
    server.once('error', (cause) => refused(cannotListen('METRICS_PORT', port, host, cause)));
    server.listen(port, host, listening);
  });
  const { port: given } = server.address() as { port: number };
  const close = () =>
    new Promise<void>((closed) => {
      server.close(() => closed());
      server.closeAllConnections();
    });
  const name = host === '0.0.0.0' || host === '127.0.0.1' || host === '::' || host === '::1' ? 'localhost' : host;
  return { url: `http://${name}:${given}/metrics`, close };
}

async function answer({ method = '', url = '' }: IncomingMessage, response: ServerResponse, sources: readonly Metrics[]): Promise<void> {
  if (url.split('?')[0] !== '/metrics') return refuse(response, 404, 'Metrics are at /metrics');
  if (method !== 'GET' && method !== 'HEAD') return refuse(response, 405, 'Metrics can only be read; use GET');
  try {
    const texts = await Promise.all(sources.map((source) => source()));
    response.writeHead(200, { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE }).end(texts.join('\n'));
  } catch {
    refuse(response, 503, 'A process of CLUSTER did not answer; ask again'); // it has just ended, or is busy for 5 s
  }
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...(status === 405 && { allow: 'GET, HEAD' }) });
  response.end(`${message}\n`);
}
