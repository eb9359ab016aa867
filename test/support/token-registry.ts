import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Authorizer } from '../../src/registry-tokens/attempt.js';

export interface Reply {
  status: number;
  headers?: Record<string, string | string[]>;
  body?: string;
}

/** A request as it came in. */
export interface Received {
  method: string;
  target: string;
  authorization?: string;
  body: string;
}

/** An HTTP server on the loopback interface that remembers what it was sent. */
export class Loopback {
  readonly received: Received[] = [];

  private constructor(
    private readonly server: Server,
    readonly origin: string,
  ) {}

  static async start(answer: (received: Received) => Reply | Promise<Reply>): Promise<Loopback> {
    const server = createServer(async (request, response) => {
      const received = await read(request);
      loopback.received.push(received);
      const { status, headers, body } = await answer(received);
      response.writeHead(status, headers).end(received.method === 'HEAD' ? undefined : body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const loopback = new Loopback(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    return loopback;
  }

  /** Those whose path begins so. */
  of(path: string): Received[] {
    return this.received.filter(({ target }) => target.startsWith(path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

async function read(request: IncomingMessage): Promise<Received> {
  let body = '';
  for await (const piece of request) body += piece;
  const { method = '', url: target = '' } = request;
  return { method, target, authorization: request.headers.authorization, body };
}

/** Makes tokens, and knows what each is for. */
export class Tokens {
  readonly made = new Map<string, { scopes: string[]; by?: string; isRevoked?: boolean }>();

  /** For what a GET to a token server asks for, whoever asks. */
  reply({ target, authorization }: Received, more: object = { expires_in: 300 }): Reply {
    const scopes = new URL(target, 'http://x').searchParams.getAll('scope');
    const token = `canary-token-${this.made.size + 1}`;
    this.made.set(token, { scopes, by: authorization });
    return json({ token, ...more });
  }

  /** What is wrong with a header for some actions on a repository, as registries say it. */
  problem(authorization: string | undefined, repository: string, actions: readonly string[]): string | undefined {
    if (authorization === undefined) return '';
    const made = this.made.get(authorization.replace('Bearer ', ''));
    if (!made || made.isRevoked) return ',error="invalid_token"';
    const of = made.scopes.filter((scope) => scope.startsWith(`repository:${repository}:`));
    const granted = of.flatMap((scope) => scope.split(':')[2]?.split(','));
    return actions.every((action) => granted.includes(action)) ? undefined : ',error="insufficient_scope"';
  }

  revokeAll(): void {
    for (const made of this.made.values()) made.isRevoked = true;
  }
}

export function json(value: object): Reply {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

export function challenged(...challenges: string[]): Reply {
  return { status: 401, headers: { 'www-authenticate': challenges } };
}

/** What a request is for, as registries read it. */
export function wanted({ method, target }: Received): { repository: string; actions: string[] } {
  const repository = /^\/v2\/(.+)\/(?:manifests|blobs|tags)\//.exec(target)?.[1] ?? '';
  if (method === 'GET' || method === 'HEAD') return { repository, actions: ['pull'] };
  return { repository, actions: method === 'DELETE' ? ['delete'] : ['pull', 'push'] };
}

/** What became of a request: of the last answer, and what it was sent with each time. */
export interface Outcome {
  status: number;
  sent: (string | undefined)[];
  explained?: string;
}

/** Sends a request as a client does that is authorized by a session. */
export async function send(
  authorizer: Authorizer,
  url: string,
  method = 'GET',
  signal?: AbortSignal,
  isRepeatable?: boolean,
): Promise<Outcome> {
  const { origin, pathname, search } = new URL(url);
  let attempt = await authorizer.begin({ origin, method, target: `${pathname}${search}`, isRepeatable }, signal);
  const sent: (string | undefined)[] = [];
  for (;;) {
    const { authorization } = attempt;
    sent.push(authorization);
    const headers = new Headers(authorization ? { authorization } : undefined);
    const response = await fetch(url, { method, redirect: 'manual', headers, signal }).catch((error) => {
      attempt.abandoned();
      throw error;
    });
    await response.arrayBuffer();
    const challenges = response.headers.get('www-authenticate');
    const next = await attempt.answered(response.status, challenges ? [challenges] : [], signal);
    if (!next) return { status: response.status, sent, explained: attempt.explained };
    attempt = next;
  }
}
