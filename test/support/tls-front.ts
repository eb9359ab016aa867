import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';

/** A TLS proxy, since verifiers want an issuer of https; its certificate is its own authority. It begins before there is a service. */
export class TlsFront {
  /** The service; without it, everybody is answered 502. */
  target: string | undefined;

  /** What is answered in place of the service, by path. */
  readonly instead = new Map<string, string>();

  private constructor(
    private readonly server: https.Server,
    readonly certificate: string,
  ) {}

  static async start(directory: string): Promise<TlsFront> {
    const [key, certificate] = ['front.key', 'front.pem'].map((name) => path.join(directory, name)) as [string, string];
    const subject = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', certificate], { stdio: 'pipe' });
    const server = https.createServer({ key: readFileSync(key), cert: readFileSync(certificate) }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const front = new TlsFront(server, certificate);
    server.on('request', (request, response) => front.forward(request, response));
    return front;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.server.address() as { port: number }).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private forward(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { method, headers, url = '/' } = request;
    const other = this.instead.get(url);
    if (other !== undefined) return void response.end(other);
    if (!this.target) return void response.writeHead(502).end();
    const onward = http.request(new URL(url, this.target), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.writeHead(502).end());
    request.pipe(onward);
  }
}
