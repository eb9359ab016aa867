import { decodeJwt } from 'jose';
import type { Answer, Asked, Behaviour } from './gateways/behaviour.js';

interface Access {
  type: string;
  name: string;
  actions: string[];
}

/** What has gone over the wire between proxies and a registry. */
export interface Sent {
  method: string;
  /** Path and query. */
  target: string;
  status: number;
  /** Of the one who sent it, if it bore a token. */
  token: string | undefined;
  cookie: string | undefined;
  location: string | undefined;
}

/** Remembers for whom each request was, and where uploads go on: what a gateway that passes everything on tells of it. */
export class RegistryWire implements Behaviour {
  readonly sent: Sent[] = [];

  answered({ status, headers }: Answer, { method, came: target, headers: { authorization, cookie } }: Asked): void {
    const token = authorization?.replace(/^Bearer /, '');
    this.sent.push({ method, target, status, token, cookie, location: headers.location as string | undefined });
  }

  /** The requests of a repository. */
  of(repository: string): Sent[] {
    return this.sent.filter(({ target }) => target.startsWith(`/v2/${repository}/`));
  }

  /**
   * Whose request each is, by what only one of them has (tags and digests): all that names one, and the whole upload that ends with one. Of
   * those that are nobody's the key is ''.
   */
  byOwner(marks: Record<string, readonly string[]>): Map<string, Sent[]> {
    const ownerOf = (target: string) => Object.keys(marks).find((owner) => marks[owner]?.some((mark) => target.includes(mark)));
    const uploads = new Map(
      this.sent.flatMap(({ target }) => (uploadIn(target) && ownerOf(target) ? [[uploadIn(target), ownerOf(target)]] : [])),
    );
    const owned = new Map<string, Sent[]>();
    for (const one of this.sent) {
      const owner = ownerOf(one.target) ?? uploads.get(uploadIn(one.target) ?? uploadIn(one.location)) ?? '';
      owned.set(owner, [...(owned.get(owner) ?? []), one]);
    }
    return owned;
  }

  get tokens(): string[] {
    return [...new Set(this.sent.flatMap(({ token }) => token ?? []))];
  }

  /** What a registry hides in the URLs of uploads. */
  get states(): string[] {
    return [...new Set(this.sent.flatMap(({ location }) => /[?&]_state=([^&]+)/.exec(location ?? '')?.[1] ?? []))];
  }
}

const uploadIn = (target: string | undefined) => /\/blobs\/uploads\/([^/?]+)/.exec(target ?? '')?.[1];

export interface TokenClaims {
  sub: string;
  jti: string;
  access: Access[];
}

export const claimsIn = (token: string): TokenClaims => decodeJwt(token);

/** `<repository>:<actions>` of each access, in order. */
export const accessIn = (token: string): string[] =>
  claimsIn(token)
    .access.map(({ name, actions }) => `${name}:${[...actions].sort().join(',')}`)
    .sort();

/** What a request needs, and no more, as the distribution registry demands it: written down once more, apart from what is tested. */
export function needOf({ method, target }: Sent): string[] {
  const { pathname, searchParams } = new URL(target, 'http://registry');
  const [, repository = ''] = /^\/v2\/(.+?)\/(?:manifests|blobs|tags)\//.exec(pathname) ?? [];
  const from = searchParams.get('from');
  const actions = method === 'GET' || method === 'HEAD' ? 'pull' : method === 'DELETE' ? 'delete' : 'pull,push';
  return [`${repository}:${actions}`, ...(from && searchParams.has('mount') ? [`${from}:pull`] : [])].sort();
}
