import { type RequiredScopes, requiredScopes } from '../../../registry-tokens/registry-scope.js';
import { RegistryRefusal, unsupported } from './registry-refusal.js';

/** What is asked of a repository, and by which methods. */
const METHODS = {
  catalog: ['GET', 'HEAD'],
  manifest: ['GET', 'HEAD', 'PUT', 'DELETE'],
  blob: ['GET', 'HEAD', 'DELETE'],
  list: ['GET', 'HEAD'],
  uploads: ['POST'],
  upload: ['GET', 'HEAD', 'PATCH', 'PUT', 'DELETE'],
} as const;

/** One request of the distribution API, understood. */
export interface RegistryCall {
  kind: keyof typeof METHODS;
  method: string;
  /** '' for the catalogue. */
  repository: string;
  /** Path and query, as they are sent. */
  target: string;
  /** What stands last in the path: a tag, a digest, the name of an upload. */
  reference: string;
  query: URLSearchParams;
  required: RequiredScopes;
}

/** RFC 3986: what a query is made of. */
const QUERY = /^(?:[\w\-.~!$'()*+,:@/?=&]|%[0-9A-Fa-f]{2})*$/;
const LONGEST_TARGET = 4_096; // characters; a digest, a name and a page of a list take a thousand

/** What stands below the repository's name. */
const KINDS: readonly [RegExp, RegistryCall['kind']][] = [
  [/\/blobs\/uploads\/?$/, 'uploads'],
  [/\/blobs\/uploads\/[^/]+$/, 'upload'],
  [/\/manifests\/[^/]+$/, 'manifest'],
  [/\/blobs\/[^/]+$/, 'blob'],
  [/\/(?:tags\/list|referrers\/[^/]+)$/, 'list'],
];

/** Whether that is the ping with which clients look for the API, and for how it wants to be asked. */
export const isPing = (target: string) => /^\/v2\/?$/.test(target);

/**
 * Understands a request's method and target, as everybody on the way to the repository will.
 *
 * @throws RegistryRefusal 400, 404 or 405
 */
export function registryCall(method: string, target: string): RegistryCall {
  const [path = '', ...rest] = target.split('?');
  const query = queryOf(rest.join('?'), target);
  const required = requiredScopes({ method, target });
  const kind = path === '/v2/_catalog' ? 'catalog' : KINDS.find(([ending]) => ending.test(path))?.[1];
  const methods: readonly string[] = kind ? METHODS[kind] : [];
  if (kind && !methods.includes(method)) throw new RegistryRefusal(405, 'UNSUPPORTED', `There only ${methods.join(', ')} are passed on`);
  if (!kind || !required) throw new RegistryRefusal(404, 'UNSUPPORTED', ELSEWHERE);
  const reference = path.slice(path.lastIndexOf('/') + 1);
  return { kind, method, repository: required.repository, reference, query, target, required };
}

const ELSEWHERE =
  'That is no path of the distribution API, plainly written: manifests, blobs, uploads, tags and referrers of a repository, and the catalogue, are passed on';

function queryOf(search: string, target: string): URLSearchParams {
  if (target.length > LONGEST_TARGET) throw unsupported(`The URL has more than ${LONGEST_TARGET} characters`);
  if (!QUERY.test(search)) throw unsupported('The query has characters that must be percent-encoded (RFC 3986)');
  const query = new URLSearchParams(search);
  const names = [...query.keys()];
  // of two values one server takes the first and the next one the last
  if (new Set(names).size < names.length) throw unsupported('The query names a parameter twice; name each once');
  return query;
}
