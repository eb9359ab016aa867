import type { Answer, Behaviour } from './behaviour.js';

/**
 * As Artifactory's virtual repositories: clients know `foo-docker/X`, the registry behind it knows `X`, and so does its challenge, which
 * nobody rewrites. Paths, the source of a mount and what leads elsewhere are rewritten, so all works for who asks for what was challenged.
 */
export function artifactory(prefix = 'foo-docker/'): Behaviour {
  const inner = `/v2/${prefix}`;
  return {
    asked(asked) {
      if (/^\/v2\/(\?|$)/.test(asked.target)) return undefined;
      if (!asked.target.startsWith(inner)) return { status: 404, headers: {}, body: '{"errors":[{"code":"NAME_UNKNOWN"}]}' };
      const [path = '', query] = asked.target.slice(inner.length).split(/\?(.*)/s);
      asked.target = `/v2/${path}${query === undefined ? '' : `?${inwards(query, prefix)}`}`;
      return undefined;
    },
    answered({ headers }) {
      outwards(headers, 'location', inner);
      outwards(headers, 'link', inner);
    },
  };
}

function inwards(query: string, prefix: string): string {
  const parameters = new URLSearchParams(query);
  const from = parameters.get('from');
  if (from?.startsWith(prefix)) parameters.set('from', from.slice(prefix.length));
  return from === null ? query : parameters.toString();
}

function outwards(headers: Answer['headers'], name: 'location' | 'link', inner: string): void {
  const value = headers[name];
  if (typeof value === 'string') headers[name] = value.replace('/v2/', inner);
}
