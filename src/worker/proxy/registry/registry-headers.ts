import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';

/** What the distribution API reads. No credentials, no cookies, nothing about whom the request comes from. */
const OF_REQUESTS = [
  'accept',
  'accept-encoding',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
  'user-agent',
];

/** What its clients read. `location` and `link` are written anew where they are told at all; challenges and cookies never are. */
const OF_ANSWERS = [
  'accept-ranges',
  'allow',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'docker-content-digest',
  'docker-distribution-api-version',
  'etag',
  'expires',
  'last-modified',
  'range',
  'ratelimit-limit',
  'ratelimit-remaining',
  'retry-after',
  'vary',
  'warning',
];
/** Of both: extensions of the specification, as `OCI-Subject`. */
const EXTENSION = /^oci-[a-z-]{1,64}$/;

/** Of a step's request, those that go to a registry. */
export const headersToRegistry = (headers: IncomingHttpHeaders) => only(headers, OF_REQUESTS);
/** Of a registry's answer, those that go to the step. */
export const headersToStep = (headers: IncomingHttpHeaders) => only(headers, OF_ANSWERS);

function only(headers: IncomingHttpHeaders, names: readonly string[]): OutgoingHttpHeaders {
  const told = Object.entries(headers).filter(([name]) => names.includes(name) || EXTENSION.test(name));
  return Object.fromEntries(told);
}
