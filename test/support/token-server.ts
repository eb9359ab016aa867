import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { importPKCS8, SignJWT } from 'jose';
import type { TokenAuth } from './docker-registry.js';
import { accessOf, type May } from './token-access.js';
import { misbehave, type TokenConduct } from './token-conduct.js';

/** Stands for who shows no password. */
const ANYBODY = ':';

export interface RegistryUser {
  password: string;
  may: May;
  /** Exchanged by POST, `grant_type=refresh_token`. */
  refreshToken?: string;
}

/** What has arrived. */
export interface TokenRequest {
  method: string;
  /** Path and query. */
  target: string;
  /** Who says so, rightly or not. */
  user: string | undefined;
  service: string | null;
  scopes: string[];
  authorization: string | undefined;
  /** Of a POST. */
  form: URLSearchParams;
}

/**
 * A real token server of the distribution kind (https://distribution.github.io/distribution/spec/auth/token/), for registries of tests and of
 * the bench: ES256, its certificate in x5c. Users come by Basic, by password or by refresh token. It remembers who asked for what, and can be
 * told to misbehave.
 */
export class TokenServer {
  readonly requests: TokenRequest[] = [];
  /** By name; ':' stands for who shows no password. */
  readonly users = new Map<string, RegistryUser>();
  /** Of tokens, in seconds. */
  life = 300;
  /** Asked at each request. */
  conduct: (request: TokenRequest) => TokenConduct = () => ({});

  private constructor(
    private readonly server: Server,
    private readonly key: Awaited<ReturnType<typeof importPKCS8>>,
    private readonly certificate: string,
    readonly service: string,
  ) {}

  static async start(service = 'registry.example'): Promise<TokenServer> {
    const { key, certificate } = selfSigned();
    const server = createServer((request, response) => void tokens.answer(request, response));
    const tokens = new TokenServer(server, await importPKCS8(key, 'ES256'), certificate, service);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return tokens;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get realm(): string {
    return `${this.origin}/token`;
  }

  /** For a registry that believes it. */
  get auth(): TokenAuth {
    return { realm: this.realm, service: this.service, issuer: 'token-server.test', certificates: this.certificate };
  }

  /** A token as it would answer, without a request. */
  async token(user: string, scopes: readonly string[], life = this.life): Promise<string> {
    const { may = () => false } = this.users.get(user) ?? {};
    return new SignJWT({ access: accessOf(may, scopes) })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', x5c: [this.certificate.replace(/-----[A-Z ]+-----|\s/g, '')] })
      .setIssuer(this.auth.issuer)
      .setAudience(this.service)
      .setSubject(user === ANYBODY ? '' : user)
      .setIssuedAt()
      .setNotBefore('-5s')
      .setExpirationTime(`${life}s`)
      .setJti(randomUUID())
      .sign(this.key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await once(this.server.close(), 'close');
  }

  private async answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined); // it did not wait
    const { request, user } = await this.read(incoming);
    this.requests.push(request);
    const conduct = this.conduct(request);
    await conduct.until;
    if (misbehave(conduct, response)) return;
    if (user === undefined) return end(response, 401, { errors: [{ code: 'UNAUTHORIZED', message: 'wrong user or password' }] });
    const { life = this.life, expiresIn = life, issuedAtSkew = 0, append = '' } = conduct;
    const token = (await this.token(user, request.scopes, life)) + append;
    const issued_at = new Date(Date.now() + issuedAtSkew * 1000).toISOString();
    end(response, 200, { token, issued_at, ...(expiresIn !== null && { expires_in: expiresIn }) });
  }

  /** `user`: who it is, if that is right. */
  private async read(incoming: IncomingMessage): Promise<{ request: TokenRequest; user: string | undefined }> {
    const { method = '', url: target = '', headers } = incoming;
    const { authorization } = headers;
    const query = new URL(target, this.origin).searchParams;
    const form = new URLSearchParams(method === 'POST' ? await text(incoming) : '');
    const service = query.get('service') ?? form.get('service');
    const scopes = [...query.getAll('scope'), ...form.getAll('scope')].flatMap((several) => several.split(' ')).filter(Boolean);
    const { name, isRight } = this.shown(authorization, form);
    const request = { method, target, user: name === ANYBODY ? undefined : name, service, scopes, authorization, form };
    return { request, user: isRight ? name : undefined };
  }

  private shown(authorization: string | undefined, form: URLSearchParams): { name: string | undefined; isRight: boolean } {
    const refreshToken = form.get('refresh_token');
    if (refreshToken !== null) {
      const [name] = [...this.users].find(([, user]) => user.refreshToken === refreshToken) ?? [];
      return { name, isRight: name !== undefined };
    }
    const basic = Buffer.from(authorization?.replace(/^Basic /i, '') ?? '', 'base64').toString();
    const [, basicName = ANYBODY, basicPassword = ''] = /^([^:]*):(.*)$/s.exec(basic) ?? [];
    const [name, password] = [form.get('username') ?? basicName, form.get('password') ?? basicPassword];
    return { name, isRight: this.users.get(name)?.password === password };
  }
}

function end(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function selfSigned(): { key: string; certificate: string } {
  const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-token-server-'));
  try {
    const [key, certificate] = ['key', 'certificate'].map((name) => path.join(directory, name)) as [string, string];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const args = ['req', '-x509', ...curve, '-subj', '/CN=issuer', '-days', '2', '-keyout', key, '-out', certificate];
    execFileSync('openssl', args, { stdio: 'pipe' });
    return { key: readFileSync(key, 'utf8'), certificate: readFileSync(certificate, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
