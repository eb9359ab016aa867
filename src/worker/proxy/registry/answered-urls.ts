import { requiredScopes } from '../../../registry-tokens/registry-scope.js';
import { untrusted } from './registry-refusal.js';
import { LONGEST_UPLOAD_URL } from './upload-urls.js';

/** Where an answer was asked for. */
interface Asked {
  origin: string;
  repository: string;
  /** Path and query at the registry, against which relative URLs are read. */
  target: string;
}

/**
 * Where an upload goes on: path and query at the same registry.
 *
 * @throws RegistryRefusal 502 for any other place; the token of the upload would be sent there
 */
export function uploadTarget(location: string | undefined, asked: Asked): string {
  const target = location === undefined ? undefined : ownTarget(location, asked);
  if (target === undefined) throw untrusted(`${asked.origin} sends the upload elsewhere than to itself; nothing was sent there`);
  if (target.length > LONGEST_UPLOAD_URL) throw untrusted(`The upload's URL has more than ${LONGEST_UPLOAD_URL} characters`);
  if (!isUploadOf(asked.repository, target))
    throw untrusted(`${asked.origin} sends the upload to what is not surely one of ${asked.repository}; nothing was sent there`);
  return target;
}

/**
 * One of several behind a gateway could have us write, as whoever we are, into a repository of the others. So below `/v2/` it is this one,
 * whatever the query is; registries that keep uploads elsewhere do so where no decoding leads to `/v2/`.
 */
function isUploadOf(repository: string, target: string): boolean {
  const path = target.split('?', 1).join();
  const own = `/v2/${repository}/blobs/upload`;
  if (path.startsWith(own)) return /^s?\/(?:[^/%;\\]|%(?!2[5ef]|5c))+$/i.test(path.slice(own.length));
  return /^\/(?!v2(?:\/|$))[\w.~:=+@-]+(?:\/[\w.~:=+@-]+)*\/?$/i.test(path);
}

/** The place of what was made, as the step may ask for it; undefined where it is elsewhere, or is not told. */
export const madeAt = (location: string | undefined, asked: Asked): string | undefined =>
  location === undefined ? undefined : ownTarget(location, asked);

/**
 * The header that leads to the next page of a list, as the step may follow it.
 *
 * @throws RegistryRefusal 502 where that is elsewhere: without it the list would look like all there is
 */
export function nextPage(link: string | string[] | undefined, asked: Asked): string | undefined {
  const [, url] = /<([^<>]{1,4096})>\s*;[^,]*\brel="?next\b/i.exec([link ?? ''].flat().join(', ').slice(0, 16_384)) ?? [];
  if (url === undefined) return undefined;
  const target = ownTarget(url, asked);
  const isSameList = target !== undefined && requiredScopes({ method: 'GET', target })?.repository === asked.repository;
  if (!isSameList) throw untrusted(`${asked.origin} has the next page of this list elsewhere than at itself; nothing was asked there`);
  return `<${target}>; rel="next"`;
}

/** An origin has its default port whether or not that is written. */
function ownTarget(location: string, { origin, target }: Asked): string | undefined {
  const base = new URL(target, origin);
  const url = URL.canParse(location, base.href) ? new URL(location, base) : undefined;
  if (!url || url.origin !== new URL(origin).origin || url.username !== '' || url.password !== '') return undefined;
  return `${url.pathname}${url.search}`;
}
