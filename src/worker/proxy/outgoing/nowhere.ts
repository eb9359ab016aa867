import { malformed, Refusal } from '../refusal.js';
import type { Route } from '../route.js';

/** Origins that are named: a message is to be read. */
const MOST_NAMED = 10;

/** What is said of a request that no route knows: where the routes lead. */
export function nowhere(routes: readonly Route[]): Refusal {
  const reached = routes.flatMap(({ reaches = [] }) => reaches);
  if (reached.length === 0)
    return malformed(
      'Nothing is reached by that name through this proxy: ask for a path as /queue/v1/ping; docs/proxy.md says what there is',
    );
  const more = reached.length > MOST_NAMED ? ` and ${reached.length - MOST_NAMED} more` : '';
  const message = `Nothing is reached by that name through this proxy: it leads to paths as /queue/v1/ping, and to ${reached.slice(0, MOST_NAMED).join(', ')}${more}`;
  return new Refusal(403, 'InsufficientScopes', message);
}

/** The same for CONNECT. */
export function noTunnel(routes: readonly Route[]): Refusal {
  const isAny = routes.some(({ tunnelOf }) => tunnelOf !== undefined);
  return isAny ? nowhere(routes) : malformed('This proxy makes no tunnels; send the request itself');
}
