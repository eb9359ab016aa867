import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import supertest from 'supertest';
import { authorizationHeader } from '../../src/credentials/hawk.js';
import { slugid } from '../../src/credentials/slugid.js';
import { assertContract } from './contract.js';

export { slugid };

export interface Credentials {
  clientId: string;
  accessToken: string;
  certificate?: string;
}

export interface RequestOptions {
  body?: unknown;
  headers?: Record<string, string>;
  authorizedScopes?: string[];
  /** Sends this instead of signing. */
  authorization?: string;
}

/** Answers a JWT or PEM where it does not refuse; supertest knows no such type. */
const TEXTS = /^\/(oauth\/status-lists\/|registry\/certificate)/;

function asText(response: unknown, done: (error: Error | null, body: unknown) => void): void {
  const answer = response as IncomingMessage;
  let text = '';
  answer.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  answer.on('end', () => done(null, /json/.test(answer.headers['content-type'] ?? '') ? JSON.parse(text) : text));
}

export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests read what the contract has checked
  body: any;
  headers: Record<string, string>;
}

/** Calls the API over HTTP as one caller, and holds every answer against openapi.yaml. */
export class Api {
  constructor(
    readonly url: string,
    readonly credentials?: Credentials,
  ) {}

  /** The same service as another caller; without credentials: anonymously. */
  as(credentials?: Credentials): Api {
    return new Api(this.url, credentials);
  }

  get(path: string, options: RequestOptions = {}): Promise<Answer> {
    return this.request('get', path, options);
  }

  post(path: string, body?: unknown, options: RequestOptions = {}): Promise<Answer> {
    return this.request('post', path, { body, ...options });
  }

  put(path: string, body?: unknown, options: RequestOptions = {}): Promise<Answer> {
    return this.request('put', path, { body, ...options });
  }

  delete(path: string, options: RequestOptions = {}): Promise<Answer> {
    return this.request('delete', path, options);
  }

  /** `path` begins with /queue/v1, /auth/v1 or /purge-cache/v1, or anything else that does not begin with /api. */
  async request(method: 'get' | 'post' | 'put' | 'delete' | 'head', path: string, options: RequestOptions = {}): Promise<Answer> {
    const resource = /^\/(queue|auth|purge-cache)\/v1\//.test(path) ? `/api${path}` : path;
    let call = supertest(this.url)[method](resource);
    if (TEXTS.test(path)) call = call.buffer(true).parse(asText);
    const form = formOf(options);
    const authorization = options.authorization ?? this.authorizationFor(method, resource, options.authorizedScopes, form);
    if (authorization !== undefined) call = call.set('authorization', authorization);
    for (const [name, value] of Object.entries(options.headers ?? {})) call = call.set(name, value);
    if (options.body !== undefined) call = call.send(form?.text ?? (options.body as object));
    const { status, body, headers } = await call;
    assertContract(method, resource, { status, body, headers });
    return { status, body, headers: headers as Record<string, string> };
  }

  authorizationFor(
    method: string,
    resource: string,
    authorizedScopes?: string[],
    body?: { contentType: string; text: string },
  ): string | undefined {
    if (!this.credentials) return undefined;
    const { hostname, port } = new URL(this.url);
    const request = { method: method.toUpperCase(), resource, host: hostname, port: Number(port) };
    return authorizationHeader(this.credentials, request, {
      nowMs: Date.now(),
      nonce: randomBytes(6).toString('base64url'),
      ...(authorizedScopes ? { authorizedScopes } : {}),
      ...(body ? { body } : {}),
    });
  }
}

/** A form as it is sent, to be signed with its hash. */
function formOf({ body, headers = {} }: RequestOptions): { contentType: string; text: string } | undefined {
  const contentType = headers['content-type'] ?? '';
  if (!contentType.startsWith('application/x-www-form-urlencoded')) return undefined;
  const text = typeof body === 'string' ? body : new URLSearchParams(body as Record<string, string> | undefined).toString();
  return { contentType, text };
}

/** A definition that createTask accepts now. */
export function definition(overrides: Record<string, unknown> = {}): Record<string, unknown> {
  const in_ = (ms: number) => new Date(Date.now() + ms).toISOString();
  return {
    taskQueueId: 'test/queue',
    created: in_(0),
    deadline: in_(3_600_000),
    expires: in_(86_400_000),
    payload: { command: ['true'] },
    metadata: { name: 'test', description: 'a task of a test', owner: 'test@example.com', source: 'https://example.com/test' },
    ...overrides,
  };
}
