import { repositoryOf } from './behaviour.js';
import { type Place, RegistryClient, type Request, type Response, type Send } from './registry-client.js';

const MOST_HOPS = 5;

export interface Login {
  username: string;
  password: string;
}

/** What tokens are kept by: not at all, by the host, or by the host and the repository. */
export type NaiveKey = 'none' | 'host' | 'repository';

/**
 * The yardstick: a client as there are many. Believes every challenge, follows every address, and keeps a token by the key that it is told.
 * What ends an upload bears the token of what began it.
 */
export class NaiveClient {
  private readonly tokens = new Map<string, string>();
  private readonly uploads = new Map<string, string>();
  private readonly client: RegistryClient;

  constructor(
    place: Place,
    concurrency: number,
    private readonly key: NaiveKey,
    private readonly login: Login,
  ) {
    this.client = new RegistryClient(place, concurrency);
  }

  readonly send: Send = async (request) => {
    const held = this.uploads.get(uploadOf(request.target)) ?? this.tokens.get(this.keyOf(request));
    const first = await this.sendWith(request, held);
    if (first.status !== 401) return first;
    const token = await this.tokenFor(String(first.headers['www-authenticate']));
    if (this.key !== 'none') this.tokens.set(this.keyOf(request), token);
    return this.sendWith(request, token);
  };

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }

  private keyOf({ target }: Request): string {
    return this.key === 'repository' ? (repositoryOf(new URL(target, 'http://any').pathname) ?? '') : '';
  }

  private async sendWith(request: Request, token: string | undefined): Promise<Response> {
    const response = await this.follow(request, token && `Bearer ${token}`);
    const { location } = response.headers;
    if (request.method === 'POST' && token && location) this.uploads.set(uploadOf(location), token);
    return response;
  }

  private async tokenFor(challenge: string): Promise<string> {
    const said = (name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(challenge)?.[1];
    const url = new URL(said('realm') ?? '');
    for (const name of ['service', 'scope']) if (said(name)) url.searchParams.set(name, said(name)!);
    const basic = Buffer.from(`${this.login.username}:${this.login.password}`).toString('base64');
    const { body } = await this.follow({ method: 'GET', target: url.href }, `Basic ${basic}`);
    return (JSON.parse(body.toString()) as { token?: string }).token ?? '';
  }

  /** With all it has, wherever it is sent. */
  private async follow(request: Request, authorization: string | undefined): Promise<Response> {
    let response: Response | undefined;
    for (let target = request.target, hop = 0; hop < MOST_HOPS; hop++) {
      const headers = { ...request.headers, ...(authorization && { authorization }) };
      response = await this.client.send({ ...request, target, headers });
      const { location } = response.headers;
      if (response.status < 300 || response.status > 399 || !location) return response;
      target = new URL(location, new URL(target, `http://${this.client.place.host}`)).href;
    }
    return response!;
  }
}

/** The same for what began it and for what ends it. */
const uploadOf = (target: string) => /\/blobs\/uploads\/[^/?]+/.exec(target)?.[0] ?? target;
