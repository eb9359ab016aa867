import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';

/** What a session in a process of its own is to do: ask for a token of that registry. */
interface Errand {
  origin: string;
  realm: string;
  /** Whether the registry's authority and the client's certificate are settings of the registry. */
  ca: boolean;
  /** Whether that authority is one of the system's, too. */
  believed?: boolean;
}

const ASK = `
import { RegistrySession } from 'leasehold/registry-tokens/session';
const { origin, realm, tls } = JSON.parse(process.argv[1]);
const session = new RegistrySession({ id: 'run', registries: [{ origin, realm, tls }] });
const told = await session.begin({ origin, method: 'GET', target: '/v2/app/manifests/1' }).then(() => 'got a token', (error) => error.code);
console.log(told);
session.release();
`;

/** Two token servers of one certificate that ask each client for its own, at two ports. They note who it is. */
export class TlsRealms {
  readonly #seen = new Map<string, string[]>();
  readonly #servers: Server[] = [];

  private constructor(private readonly directory: string) {}

  static async start(): Promise<TlsRealms> {
    const realms = new TlsRealms(mkdtempSync(path.join(tmpdir(), 'leasehold-tls-')));
    realms.#certify('server', ['/CN=server', '-addext', 'subjectAltName=IP:127.0.0.1']);
    realms.#certify('client', ['/CN=client of the registry']);
    for (let count = 0; count < 2; count++) await realms.#listen();
    return realms;
  }

  /** That of the registry itself. */
  get own(): string {
    return this.#origins[0]!;
  }

  get other(): string {
    return this.#origins[1]!;
  }

  /** What became of it, and as whom the client was known at that origin. */
  async asked(at: string, { origin, realm, ca, believed = false }: Errand): Promise<[told: string, seen: string[]]> {
    this.#seen.clear();
    const tls = ca ? { ca: this.#read('server.pem'), cert: this.#read('client.pem'), key: this.#read('client.key') } : undefined;
    const env = believed ? { NODE_EXTRA_CA_CERTS: path.join(this.directory, 'server.pem') } : {};
    const words = ['--input-type=module', '-e', ASK, JSON.stringify({ origin, realm, tls })];
    const { stdout } = await promisify(execFile)(process.execPath, words, { env });
    return [stdout.trim(), this.#seen.get(at) ?? []];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await once(server.close(), 'close');
    }
    rmSync(this.directory, { recursive: true });
  }

  get #origins(): string[] {
    return this.#servers.map((server) => `https://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }

  async #listen(): Promise<void> {
    const own = { key: this.#read('server.key'), cert: this.#read('server.pem') };
    const server = createServer({ ...own, requestCert: true, rejectUnauthorized: false }, ({ socket, headers }, response) => {
      const { subject } = (socket as TLSSocket).getPeerCertificate();
      const at = `https://${headers.host}`;
      this.#seen.set(at, [...(this.#seen.get(at) ?? []), String(subject?.CN ?? 'nobody')]);
      response.end(JSON.stringify({ token: 'a-token', expires_in: 300 }));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    this.#servers.push(server);
  }

  #certify(name: string, subject: readonly string[]): void {
    const files = ['-keyout', path.join(this.directory, `${name}.key`), '-out', path.join(this.directory, `${name}.pem`)];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    execFileSync('openssl', ['req', '-x509', ...kind, '-subj', ...subject, ...files], { stdio: 'pipe' });
  }

  #read(name: string): string {
    return readFileSync(path.join(this.directory, name), 'utf8');
  }
}
