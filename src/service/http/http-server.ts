import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import { gzip } from 'node:zlib';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import type { Logger } from 'pino';
import { sendError } from './api-error.filter.js';
import { ApiError } from './api-error.js';
import { BODY_LIMIT } from './bodies.js';
import type { ApiRequest } from './caller.guard.js';
import { boundConnections, boundRequests, hangUpAtStop } from './connections.js';
import { parseFormBody, takesBasic, takesForm } from './form.js';
import { parseJson } from './json.js';
import { operationOf } from './operation.decorator.js';
import { stringifyAnswer } from './raw-json.js';
import { streamBodies } from './streamed-body.js';

/** How long a caller may take to send a request. It ends once all of it was received, so a long poll may wait as long as it likes. */
const RECEIVE_WITHIN_MS = 60_000;

/** Hears of each request that was routed, once it is over: the name of its operation (if any), the status, and how long it took. */
export type ObserveRequest = (operation: string | undefined, status: number, ms: number) => void;

/** Fastify as the wire protocol needs it: encoded slashes, any case of trailing slash, raw bodies for Hawk, one log line a request. */
export function createHttpAdapter(logger: Logger, observe?: ObserveRequest): FastifyAdapter {
  const adapter: FastifyAdapter = new FastifyAdapter({
    loggerInstance: logger as never,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    requestTimeout: RECEIVE_WITHIN_MS,
    forceCloseConnections: 'idle',
    genReqId: () => randomUUID(),
    frameworkErrors: refuseUrl,
    rewriteUrl: (request: { url?: string }) => encodeSlashes(request.url ?? '/'),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 4096 },
  } as never);
  const fastify = adapter.getInstance<FastifyInstance>();
  const server = fastify.server as Server;
  boundConnections(server);
  hangUpAtStop(fastify, boundRequests(server));
  fastify.setReplySerializer(stringifyAnswer);
  readBodies(fastify);
  logRequests(fastify, observe); // first, so that it hears of requests that a later hook answers
  streamBodies(fastify);
  addHeaders(fastify);
  compressAnswers(fastify);
  return adapter;
}

const TASK_QUEUE_PATHS = [
  /^(\/api\/purge-cache\/v1\/purge-cache\/[^/?]+)\/([^/?]+\/?(?:\?|$))/,
  /^(\/api\/queue\/v1\/(?:claim-work|pending)\/[^/?]+)\/([^/?]+\/?(?:\?|$))/,
  /^(\/api\/queue\/v1\/task-queues\/[^/?]+)\/([^/?]+\/(?:counts|pending|claimed)\/?(?:\?|$))/,
];

/** What ends in a name with slashes: that of an artifact, or of an object. */
const NAME_PATHS = [
  /^(\/api\/queue\/v1\/task\/[^/?]+\/(?:runs\/[^/?]+\/)?(?:artifacts|artifact-info|artifact-content)\/)([^?]*[^/?])(\/?(?:\?.*)?)$/,
  /^(\/api\/object\/v1\/(?:upload|finish-upload|start-download|download)\/)([^?]*[^/?])(\/?(?:\?.*)?)$/,
];

/** What all of these begin with: tells the other requests apart in a tenth of the time. */
const MAY_HAVE_SLASHES =
  /^\/api\/(?:object|purge-cache|queue\/v1\/(?:claim-work|pending|task-queues|task\/[^/?]+\/(?:runs\/[^/?]+\/)?artifact))/;

/**
 * Clients send an id or a name as one encoded segment; upstream's wildcards also take literal slashes here, so do we. One slash at the
 * very end is that of the path, as everywhere.
 */
function encodeSlashes(url: string): string {
  if (!MAY_HAVE_SLASHES.test(url)) return url;
  const path = TASK_QUEUE_PATHS.reduce((path, pattern) => path.replace(pattern, '$1%2F$2'), url);
  return NAME_PATHS.reduce(
    (path, pattern) =>
      path.replace(pattern, (_, before: string, name: string, after: string) => before + name.replaceAll('/', '%2F') + after),
    path,
  );
}

/** Only JSON is read as JSON, and a form where one is taken; the bytes are kept, because Hawk's payload hash is over them. Anything else counts as no body. */
function readBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', { parseAs: 'buffer' }, async (request: FastifyRequest, body: string | Buffer) => {
    const bytes = body as Buffer; // by parseAs
    (request as ApiRequest).rawBody = bytes;
    const [type, ...parameters] = (request.headers['content-type'] ?? '').split(';').map((part) => part.trim().toLowerCase());
    if (takesForm(request)) return parseFormBody(type, bytes);
    return type === 'application/json' && bytes.length > 0 ? parseJson(decode(bytes, parameters)) : undefined;
  });
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }); // which keeps a byte order mark, and JSON has none

/** JSON is UTF-8 (RFC 8259); read as anything else, or with replacement characters, it would be stored as something that was not sent. */
function decode(bytes: Buffer, parameters: readonly string[]): string {
  const charset = parameters.find((parameter) => /^charset\s*=/.test(parameter));
  if (charset !== undefined && !/^charset\s*=\s*("?)(utf-8|us-ascii)\1$/.test(charset)) {
    throw new ApiError('MalformedPayload', `The content-type has a ${charset.slice(0, 100)}, but JSON is read as UTF-8; send it as UTF-8`);
  }
  try {
    return UTF8.decode(bytes);
  } catch (cause) {
    throw new ApiError('MalformedPayload', 'The body is not UTF-8; encode it as UTF-8, and send it without a content-encoding', { cause });
  }
}

const API_HEADERS = { 'cache-control': 'no-store no-cache must-revalidate', 'x-content-type-options': 'nosniff' };

/** What answers a form holds tokens or tells of them (RFC 6749, 5.1). */
const FORM_HEADERS = { 'cache-control': 'no-store', pragma: 'no-cache', 'x-content-type-options': 'nosniff' };

/** Whatever a caller has left in an answer, a browser that shows it as a page runs no script of it. */
const PAGE_HEADERS = { 'content-security-policy': "default-src 'none'; frame-ancestors 'none'" };

const CORS_HEADERS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers':
    'Location,Retry-After,WWW-Authenticate,X-For-Request-Id,X-For-Trace-Id,X-Taskcluster-Artifact-Storage-Type',
};

const PREFLIGHT_HEADERS = {
  'access-control-allow-methods': 'OPTIONS,GET,HEAD,POST,PUT,DELETE,TRACE,CONNECT',
  'access-control-request-method': '*',
  'access-control-allow-headers':
    'X-Requested-With,Content-Type,Authorization,Accept,Origin,Cache-Control,Idempotency-Key,Last-Event-ID,DPoP',
  'access-control-max-age': '900',
};
const API_PATH = /^\/api\/[a-z-]+\/v1\//;

function addHeaders(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    if (takesBasic(request)) reply.headers(FORM_HEADERS);
    if (!API_PATH.test(request.url)) return done();
    setHeaders(request, reply);
    if (request.method === 'OPTIONS') reply.code(200).send('');
    else done();
  });
}

/**
 * Browsers say their origin in all requests but GET and HEAD (Fetch, 3.2), and wherever CORS decides. Who does neither is none, and is
 * spared what only browsers read: 7 headers of 16, which took 5 µs to write here, and as long to parse there.
 */
function setHeaders(request: FastifyRequest, reply: FastifyReply): void {
  const { method, headers, id } = request;
  const preflight = method === 'OPTIONS';
  const crossOrigin = preflight || headers.origin !== undefined;
  const read = method === 'GET' || method === 'HEAD';
  const trace = headers['x-taskcluster-trace-id'];
  reply.headers(API_HEADERS);
  if (read || crossOrigin) reply.headers(PAGE_HEADERS);
  if (read) reply.header('vary', 'origin'); // what a cache keeps of an answer without these headers is not for a page that needs them
  if (crossOrigin) reply.headers(CORS_HEADERS);
  if (preflight) reply.headers(PREFLIGHT_HEADERS);
  reply.header('x-for-request-id', id);
  reply.header('x-for-trace-id', typeof trace === 'string' && /^[\w-]{1,64}$/.test(trace) ? trace : id);
}

const LEAST_COMPRESSED = 16 * 1024; // bytes; what is smaller, such as a claim, is not worth the CPU

/** Long lists are mostly repetition. Compressed off the event loop. */
function compressAnswers(fastify: FastifyInstance): void {
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (typeof payload !== 'string' || !isLong(payload) || !API_PATH.test(request.url)) return done();
    reply.header('vary', 'accept-encoding, origin');
    if (request.method === 'HEAD' || !acceptsGzip(request.headers['accept-encoding'])) return done();
    reply.header('content-encoding', 'gzip').removeHeader('content-length');
    gzip(payload, done);
  });
}

/** A character is three bytes at most: only what may be as long is measured. */
function isLong(payload: string): boolean {
  return payload.length * 3 >= LEAST_COMPRESSED && Buffer.byteLength(payload) >= LEAST_COMPRESSED;
}

/** What names gzip decides; `*` only where nothing does. A weight of 0 means: not that (RFC 9110, 12.5.3). */
function acceptsGzip(header: string | string[] | undefined): boolean {
  const offers = String(header ?? '')
    .toLowerCase()
    .split(',')
    .map((offer) => offer.split(';').map((part) => part.trim()));
  const [, ...parameters] = offers.find(([coding]) => coding === 'gzip') ?? offers.find(([coding]) => coding === '*') ?? ['', 'q=0'];
  return !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
}

/** Refuses a URL that cannot be routed at all: it is not percent-encoded UTF-8, or a segment is too long. No hook sees such a request. */
function refuseUrl(_error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const message = 'The path of the URL is not valid: percent-encode it as UTF-8, and keep each segment below 4096 characters';
  reply.raw.once('close', () => logRequest(request, reply, undefined, reply.statusCode));
  setHeaders(request, reply);
  sendError(new ApiError('InvalidRequestArguments', message), request as ApiRequest, reply);
}

const HUNG_UP = 499; // as nginx logs it: the caller did not wait for the answer

/** One line a request, also when its caller hangs up: Fastify's onResponse never comes then, and 'close' always does, once. */
function logRequests(fastify: FastifyInstance, observe?: ObserveRequest): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.raw.on('close', () => {
      const operation = operationOf(request);
      const status = reply.raw.socket === null ? reply.statusCode : HUNG_UP; // Node takes the socket away once all was sent
      logRequest(request, reply, operation, status);
      observe?.(operation, status, reply.elapsedTime);
    });
    done();
  });
}

/** Ids, never contents: no body, no header, and of the URL no query string, where bewits are. */
function logRequest(request: FastifyRequest, reply: FastifyReply, operation: string | undefined, status: number): void {
  const { caller } = request as ApiRequest;
  request.log.info({
    operation,
    method: request.method,
    path: request.originalUrl.split('?')[0],
    clientId: caller?.clientId,
    status,
    ms: Math.round(reply.elapsedTime * 10) / 10,
  });
}
