import { createHash } from 'node:crypto';
import type { Image } from '../oci-layout.js';
import type { Request, Response, Send } from './registry-client.js';

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

export interface Copy {
  /** Repositories, and the tag in both. */
  from: string;
  to: string;
  tag: string;
  via: Send;
  /** Blobs under way at once. */
  concurrency: number;
}

interface Manifest {
  config: { digest: string };
  layers: { digest: string }[];
}

/**
 * Copies an image from one repository of a registry to another, blob by blob and without mounts: a GET of its manifest, HEAD, GET, POST and PUT
 * of each of its N layers and of its config, a PUT of its manifest. Answers how many requests that were: 4 (N + 1) + 2.
 *
 * @throws Error for an answer that does not belong, or for bytes that are not what their digest says
 */
export async function copyImage({ from, to, tag, via, concurrency }: Copy): Promise<number> {
  let requests = 0;
  const send = (request: Request, status: number) => {
    requests++;
    return expecting(via, request, status);
  };
  const accept = { accept: OCI_MANIFEST };
  const { body, headers } = await send({ method: 'GET', target: `/v2/${from}/manifests/${tag}`, headers: accept }, 200);
  assertDigest(String(headers['docker-content-digest']), body);
  const { config, layers } = JSON.parse(body.toString()) as Manifest;
  await inTurns([...layers, config], concurrency, async ({ digest }) => {
    await send({ method: 'HEAD', target: `/v2/${to}/blobs/${digest}` }, 404);
    const blob = await send({ method: 'GET', target: `/v2/${from}/blobs/${digest}` }, 200);
    assertDigest(digest, blob.body);
    await upload(send, to, digest, blob.body);
  });
  await send(putOf(to, tag, body), 201);
  return requests;
}

/** Puts an image there that is not in the registry yet. */
export async function pushImage(via: Send, repository: string, tag: string, { manifest, config, layers }: Image): Promise<void> {
  const send = (request: Request, status: number) => expecting(via, request, status);
  for (const { digest, bytes } of [...layers, config]) await upload(send, repository, digest, bytes);
  await send(putOf(repository, tag, manifest.bytes), 201);
}

type Expecting = (request: Request, status: number) => Promise<Response>;

async function upload(send: Expecting, repository: string, digest: string, body: Buffer): Promise<void> {
  const { headers } = await send({ method: 'POST', target: `/v2/${repository}/blobs/uploads/` }, 202);
  const { location = '' } = headers;
  const target = `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`;
  await send({ method: 'PUT', target, headers: { 'content-type': 'application/octet-stream' }, body }, 201);
}

const putOf = (repository: string, tag: string, body: Buffer): Request => ({
  method: 'PUT',
  target: `/v2/${repository}/manifests/${tag}`,
  headers: { 'content-type': OCI_MANIFEST },
  body,
});

async function expecting(via: Send, request: Request, status: number): Promise<Response> {
  const response = await via(request);
  if (response.status === status) return response;
  const text = response.body.subarray(0, 500);
  throw new Error(`${request.method} ${request.target.split('?')[0]} was answered ${response.status}, not ${status}: ${text}`);
}

function assertDigest(digest: string, bytes: Buffer): void {
  const is = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  if (is !== digest) throw new Error(`what came as ${digest} is ${is}`);
}

/** Of a failure it is told when nothing is under way any more: what is counted next is another copy's. */
async function inTurns<T>(items: readonly T[], concurrency: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  const stopping = () =>
    worker().catch((error) => {
      left.length = 0;
      throw error;
    });
  const ends = await Promise.allSettled(Array.from({ length: Math.min(concurrency, items.length) }, stopping));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
