import { digestsEqual, hmac } from '../../../credentials/hmac.js';

/** What a URL of ours lets its holder do, and until when (unix seconds). What may be of any characters comes last. */
export type BlobPermit =
  | { method: 'GET'; blobId: string; expires: number; fileName: string }
  | { method: 'PUT'; blobId: string; expires: number; atMost: number; contentType: string };

function textOf(permit: BlobPermit): string {
  const { method, blobId, expires } = permit;
  const rest = permit.method === 'PUT' ? [permit.atMost, permit.contentType] : [permit.fileName];
  return [method, blobId, expires, ...rest].join('\n');
}

/** The path and query of the URL. Whoever has it may do what it says, so it is as secret as what it leads to. */
export function signedPath(key: string, permit: BlobPermit): string {
  const rest: Record<string, string> =
    permit.method === 'PUT' ? { size: String(permit.atMost), type: permit.contentType } : { name: permit.fileName };
  const query = new URLSearchParams({ expires: String(permit.expires), ...rest, signature: hmac(key, textOf(permit), 'base64url') });
  return `/api/artifacts/v1/blobs/${permit.blobId}?${query}`;
}

/** Whether we signed just this, and its time is not over. `now` is unix milliseconds. */
export function isPermitted(key: string, permit: BlobPermit, signature: string, now: number): boolean {
  return digestsEqual(hmac(key, textOf(permit), 'base64url'), signature) && now < permit.expires * 1000;
}
