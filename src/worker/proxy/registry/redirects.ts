import { dialableKinds } from '../../../registry-tokens/addresses.js';
import type { ConfiguredRegistry } from '../../config/registries.js';
import { untrusted } from './registry-refusal.js';
import { type Answered, type Sending, sendToRegistry } from './send-to-registry.js';

const REDIRECTS = [301, 302, 303, 307, 308];
/** Registries need one, to where their bytes are; some have two mirrors in a row. */
const MOST_REDIRECTS = 3;
const LONGEST_LOCATION = 16_384; // characters; signed URLs of object stores have two thousand

export const isRedirect = ({ statusCode = 0 }: Answered): boolean => REDIRECTS.includes(statusCode);

/** @throws RegistryRefusal 502 for a redirect of what is not followed: a push, or a list, would go on elsewhere */
export function assertStays(answer: Answered, { origin }: ConfiguredRegistry): void {
  if (!isRedirect(answer)) return;
  answer.destroy();
  throw untrusted(`${origin} redirects what is only ever asked of itself; nothing was asked there`);
}

/**
 * Follows a registry to where it keeps what was asked for, for a step has no network to do so. Nothing but the question goes there: no
 * credentials, no cookie; and a registry cannot send the worker to what is within reach of the worker alone.
 *
 * @throws RegistryRefusal 502
 */
export async function follow(first: Answered, sending: Sending, registry: ConfiguredRegistry): Promise<Answered> {
  let answer = first;
  let at = new URL(sending.target, sending.url);
  for (let followed = 0; isRedirect(answer); followed++) {
    const { location } = answer.headers;
    answer.destroy();
    if (followed === MOST_REDIRECTS) throw untrusted(`${registry.origin} redirects more than ${MOST_REDIRECTS} times`);
    at = redirected(location, at, registry);
    const { authorization: _, ...headers } = sending.headers;
    const target = `${at.pathname}${at.search}`;
    const isOwn = at.origin === registry.origin;
    answer = await sendToRegistry({
      ...{ url: at, target, method: sending.method, headers, body: undefined, kinds: kindsOf(at, registry), agent: false },
      ...{ signal: sending.signal, most: sending.most, ...(isOwn && registry.ca !== undefined && { ca: registry.ca }) },
    });
  }
  return answer;
}

function redirected(location: string | undefined, from: URL, registry: ConfiguredRegistry): URL {
  const isUrl = location !== undefined && location.length <= LONGEST_LOCATION && URL.canParse(location, from.href);
  const url = isUrl ? new URL(location, from) : undefined;
  const schemes = registry.origin.startsWith('https:') ? ['https:'] : ['https:', 'http:'];
  if (!url || !schemes.includes(url.protocol) || url.username !== '' || url.password !== '')
    throw untrusted(`${registry.origin} redirects to what is no ${schemes.join(' or ')} URL without a user; nothing was asked there`);
  return url;
}

/** Where the operator has said nothing, elsewhere is the public network. */
function kindsOf(url: URL, { origin, addresses, redirects }: ConfiguredRegistry) {
  if (url.origin === origin) return dialableKinds(url.hostname, addresses);
  return redirects.some((one) => new URL(one).origin === url.origin) ? dialableKinds(url.hostname) : (['public'] as const);
}
