import type { Answer, Asked, Behaviour } from './behaviour.js';

/** What a registry's challenge says; each parameter once. */
export interface Challenged {
  realm: string;
  service?: string;
  scope?: string;
  error?: string;
}

/** Says otherwise what a Bearer challenge of the registry says. undefined: as it was. */
export function challengeAs(otherwise: (challenged: Challenged, asked: Asked) => Challenged | string | string[] | undefined): Behaviour {
  return {
    answered(answer, asked) {
      const challenged = challengeOf(answer);
      const other = challenged && otherwise(challenged, asked);
      if (other !== undefined)
        answer.headers['www-authenticate'] = typeof other === 'object' && !Array.isArray(other) ? bearer(other) : other;
    },
  };
}

/** Parameters that are undefined are left out. */
export function bearer(challenged: { [name in keyof Challenged]?: string | undefined }): string {
  const parameters = Object.entries(challenged).filter(([, value]) => value !== undefined);
  return `Bearer ${parameters.map(([name, value]) => `${name}="${value}"`).join(',')}`;
}

/** What docker-registry writes: quoted, and nothing escaped. */
function challengeOf({ status, headers }: Answer): Challenged | undefined {
  const header = headers['www-authenticate'];
  if (status !== 401 || typeof header !== 'string' || !header.startsWith('Bearer ')) return undefined;
  return Object.fromEntries([...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value])) as unknown as Challenged;
}

const isPing = ({ came }: Asked) => /^\/v2\/?(\?|$)/.test(came);

export const withoutScope = () => challengeAs(({ scope: _, ...others }) => others);
export const withoutService = () => challengeAs(({ service: _, ...others }) => others);

/** As ghcr.io: what `/v2/` challenges is an example of a scope. */
export const placeholderOnPing = () =>
  challengeAs((challenged, asked) => (isPing(asked) ? { ...challenged, scope: 'repository:user/image:pull' } : undefined));

/** Everybody may ask whether it is a registry, and so learns nothing of its realm. */
export const openPing = (): Behaviour => ({
  asked: (asked) =>
    isPing(asked) ? { status: 200, headers: { 'docker-distribution-api-version': 'registry/2.0' }, body: '{}' } : undefined,
});

export const twoLines = (other = 'Basic realm="registry"') => challengeAs((challenged) => [other, bearer(challenged)]);
export const oneLine = (other = 'Negotiate, Basic realm="registry"') => challengeAs((challenged) => `${other}, ${bearer(challenged)}`);
/** One reads the first realm, another the last: whoever checks one and uses the other is taken in. */
export const duplicateRealm = (realm: string) => challengeAs((challenged) => `${bearer(challenged)},realm="${realm}"`);
export const unterminated = () => challengeAs((challenged) => bearer(challenged).replace(/"$/, ''));
/** `service` and `scope` that would be parameters of their own if they were pasted into a URL. */
export const injected = () =>
  challengeAs((challenged) => ({
    ...challenged,
    service: `${challenged.service}&scope=repository:victim/app:pull,push#`,
    scope: 'a b&account=root',
  }));

/** Breaks the line within the challenge, so that what follows is a header, or is folded into it. */
export const crlf = (continuation: string): Behaviour => ({
  answered(answer) {
    const challenged = challengeOf(answer);
    if (challenged)
      answer.raw = `HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: ${bearer(challenged).replace(/"$/, `\r\n${continuation}"`)}\r\n\r\n`;
  },
});

/** As Harbor: a Bearer that does not reach is challenged by Basic. */
export const harbor = (): Behaviour => ({
  answered(answer, { headers }) {
    if (answer.status === 401 && /^Bearer /i.test(headers.authorization ?? '')) answer.headers['www-authenticate'] = 'Basic realm="harbor"';
  },
});

/** As IBM's: 403 with a challenge, where the token does not reach. */
export const forbiddenInsufficient = (): Behaviour => ({
  answered(answer) {
    if (challengeOf(answer)?.error === 'insufficient_scope') answer.status = 403;
  },
});

/** Knows no tokens. Before a registry that asks for nothing. */
export const basicOnly = (username: string, password: string): Behaviour => ({
  asked({ headers }) {
    const expected = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    if (headers.authorization === expected) return void delete headers.authorization;
    return { status: 401, headers: { 'www-authenticate': 'Basic realm="registry"' }, body: '{}' };
  },
});
