import { createArtifactScope, isWorkerIdentity, type RunHolder } from '../../credentials/run-grant.js';
import type { ClaimKeeper } from '../claims/claim-keeper.js';
import type { WorkerConfig } from '../config/config.js';
import { isOfTheWorker } from '../payload/workers-artifacts.js';
import { ApiRoute } from '../proxy/api-route.js';
import { openCredentialProxy } from '../proxy/credential-proxy.js';
import { outgoingRoute } from '../proxy/outgoing/outgoing-route.js';
import { registryRoute } from '../proxy/registry/registry-route-of-run.js';
import type { Route } from '../proxy/route.js';

const REFUSED = 400;

export interface RunProxy {
  /** Date.now(), when a step last called; 0: none has. */
  lastUse(): number;
  /** A step was told the credentials of the run. */
  credentialsLent(): boolean;
  close(): Promise<void>;
}

interface Where {
  socketPath: string;
  config: Pick<WorkerConfig, 'rootUrl' | 'registries' | 'outgoing'>;
  keeper: ClaimKeeper;
  run: RunHolder;
  /** As the task's creator has signed them. */
  definitionScopes: readonly string[];
  /** Steps may ask for the credentials. */
  lendsCredentials: boolean;
}

/**
 * What steps may do by it: what the task asks for, and leave artifacts of the run. To be the worker is not among it: the queue reads that as
 * to be the run, which steps could then give away.
 */
export function stepScopes(run: RunHolder, asked: readonly string[]): string[] {
  return [...new Set([...asked.filter((scope) => !isWorkerIdentity(scope, run)), createArtifactScope(run)])];
}

/** What lets steps call the service as the run. What was refused is told in the log of the run: its author is to learn of it. */
export async function openRunProxy(where: Where, note: (line: string) => void): Promise<RunProxy> {
  let [last, lent] = [0, false];
  const onTold = () => {
    if (!lent) note('proxy: a step was told the credentials of the run');
    lent = true;
  };
  const proxy = await openCredentialProxy({
    ...{ socketPath: where.socketPath, routes: routesOf(where, note, onTold) },
    log: ({ method, path, status }) => {
      last = Date.now();
      if (status >= REFUSED && !path.startsWith('/v2/')) note(`proxy: ${method} ${path} was answered ${status}`);
    },
  });
  return { lastUse: () => last, credentialsLent: () => lent, close: () => proxy.close() };
}

/** In the order in which they are asked. Our own API is the last: it takes any host. Registries tell themselves what was refused, with why. */
function routesOf(
  { config, keeper, run, definitionScopes, lendsCredentials }: Where,
  note: (line: string) => void,
  onTold: () => void,
): Route[] {
  const { rootUrl } = config;
  const credentials = () => keeper.credentials;
  const scopes = stepScopes(run, definitionScopes);
  const sessionId = `${run.taskId}/${run.runId}`;
  const outgoing = outgoingRoute(config.outgoing, { rootUrl });
  const registries = registryRoute({ registries: config.registries, rootUrl, scopes, definitionScopes, credentials, sessionId, note });
  const api = new ApiRoute({ rootUrl, scopes, reserved: isOfTheWorker, credentials, ...(lendsCredentials && { onTold }) });
  return [outgoing, registries, api].filter((route) => route !== undefined);
}
