import { createArtifactScope, isWorkerIdentity, type RunHolder } from '../../credentials/run-grant.js';
import type { ClaimKeeper } from '../claims/claim-keeper.js';
import { isOfTheWorker } from '../payload/workers-artifacts.js';
import { ApiRoute } from '../proxy/api-route.js';
import { openCredentialProxy } from '../proxy/credential-proxy.js';

const REFUSED = 400;

export interface RunProxy {
  /** Date.now(), when a step last called; 0: none has. */
  lastUse(): number;
  close(): Promise<void>;
}

interface Where {
  socketPath: string;
  rootUrl: string;
  keeper: ClaimKeeper;
  scopes: readonly string[];
}

/**
 * What steps may do by it: what the task asks for, and leave artifacts of the run. To be the worker is not among it: the queue reads that as
 * to be the run, which steps could then give away.
 */
export function stepScopes(run: RunHolder, asked: readonly string[]): string[] {
  return [...new Set([...asked.filter((scope) => !isWorkerIdentity(scope, run)), createArtifactScope(run)])];
}

/** What lets steps call the service as the run. What was refused is told in the log of the run: its author is to learn of it. */
export async function openRunProxy({ socketPath, rootUrl, keeper, scopes }: Where, note: (line: string) => void): Promise<RunProxy> {
  let last = 0;
  const api = new ApiRoute({ rootUrl, scopes, reserved: isOfTheWorker, credentials: () => keeper.credentials });
  const proxy = await openCredentialProxy({
    ...{ socketPath, routes: [api] },
    log: ({ method, path, status }) => {
      last = Date.now();
      if (status >= REFUSED) note(`proxy: ${method} ${path} was answered ${status}`);
    },
  });
  return { lastUse: () => last, close: () => proxy.close() };
}
