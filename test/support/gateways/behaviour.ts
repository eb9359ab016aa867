import type { IncomingHttpHeaders } from 'node:http';

/** A request on its way to the registry. Behaviours change it. */
export interface Asked {
  readonly method: string;
  /** Path and query, as they came. */
  readonly came: string;
  /** As they go on. */
  target: string;
  headers: IncomingHttpHeaders;
  /** Of the gateway, as the client reaches it. */
  readonly origin: string;
}

/** An answer on its way back. Behaviours change it. */
export interface Answer {
  status: number;
  /** In lower case. */
  headers: Record<string, string | string[] | undefined>;
  /** In place of the registry's. */
  body?: string | Buffer;
  /** In place of all of it: bytes as they are, after which the connection is closed. */
  raw?: string;
}

/** One habit of a gateway. Of several, requests meet the first one first, and answers the last one. */
export interface Behaviour {
  /** What it answers by itself never reaches the registry. */
  asked?(asked: Asked): Answer | undefined;
  answered?(answer: Answer, asked: Asked): void;
}

/** The repository that a path is about; undefined: none. */
export function repositoryOf(target: string): string | undefined {
  return /^\/v2\/(.+?)\/(?:manifests|blobs|tags|referrers)\//.exec(target)?.[1];
}

/** Whether it would start an upload, and so learn where to send it. */
export const startsUpload = ({ method, came }: Asked) => method === 'POST' && /\/blobs\/uploads\/(\?|$)/.test(came);

export const readsBlob = ({ method, came }: Asked) => method === 'GET' && /\/blobs\/sha256:/.test(came);
