import { chmodSync, rmSync } from 'node:fs';
import path from 'node:path';
import { decodeJwt } from 'jose';
import taskcluster from 'taskcluster-client';
import { createLeaseholdClient } from '../../src/client/client.js';
import { DockerRegistry } from '../support/docker-registry.js';
import { Gateway } from '../support/gateways/gateway.js';
import { makeImage, writeLayout } from '../support/oci-layout.js';
import { newPeerDirectory } from '../support/peer-process.js';
import { accessIn, claimsIn, RegistryWire } from '../support/registry-wire.js';
import { Skopeo } from '../support/skopeo.js';
import { hasSandboxes, isReadable, unprivileged } from '../support/unprivileged.js';
import { Home, PROGRAM, Worker } from './demo-worker.js';
import { artifactOf, type Place, resolved, type Say } from './place.js';

/* The last part of the demo: a step without credentials pushes to a registry, and pulls from it. Between the two there is a wire to look at. */

/** What its task may do at the registry. */
export const REGISTRY_SCOPES = ['registry:push:demo/*'];
const NAME = 'registry.demo';

export async function runRegistryTask(place: Place, say: Say): Promise<void> {
  if (!hasSandboxes || !isReadable(PROGRAM) || !DockerRegistry.isInstalled || !Skopeo.isInstalled)
    return say('11. A step at a registry is not shown: that takes apt-get install bubblewrap busybox-static docker-registry skopeo');
  const directory = newPeerDirectory();
  try {
    chmodSync(directory, 0o755); // the step reads its image there
    writeLayout(path.join(directory, 'image'), makeImage(2));
    await using registry = await startRegistry(place, path.join(directory, 'registry'));
    const wire = new RegistryWire();
    await using gateway = await Gateway.start(registry.origin, wire);
    await withWorker(place, { directory, origin: gateway.origin }, () => followed(place, path.join(directory, 'image'), say));
    tellWire(wire, say);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** It believes the service. Which names that has, a token says that anybody is given who logs in. */
async function startRegistry({ rootUrl, creator }: Place, directory: string): Promise<DockerRegistry> {
  const realm = `${rootUrl}/registry/token`;
  const basic = Buffer.from(`${creator.clientId}:${creator.accessToken}`).toString('base64');
  const answer = await fetch(realm, { headers: { authorization: `Basic ${basic}` } });
  if (!answer.ok) throw new Error(`${realm} has answered ${answer.status}`);
  const { iss = '', aud = '' } = decodeJwt(((await answer.json()) as { token: string }).token);
  const certificates = await (await fetch(`${rootUrl}/registry/certificate`)).text();
  return DockerRegistry.start(directory, { auth: { realm, service: String(aud), issuer: iss, certificates } });
}

async function withWorker(
  place: Place,
  { directory, origin }: { directory: string; origin: string },
  run: () => Promise<void>,
): Promise<void> {
  const home = new Home(unprivileged);
  try {
    const config = home.put('worker.json', {
      ...{ rootUrl: place.rootUrl, credentials: place.worker, ...place.identity, taskQueues: [place.taskQueueId], stateDir: 'state' },
      ...{ isolation: 'bubblewrap', sandbox: { readable: [directory] }, signatures: { policy: 'off' } },
      registries: [{ name: NAME, origin, credentials: 'run' }],
    });
    const worker = new Worker(config, home.user);
    try {
      await worker.claims();
      await run();
    } finally {
      await worker.end();
    }
  } finally {
    home.remove();
  }
}

async function followed(place: Place, image: string, say: Say): Promise<void> {
  const client = createLeaseholdClient({ rootUrl: place.rootUrl, credentials: () => place.creator });
  const taskId = taskcluster.slugid();
  const { error } = await client.PUT('/api/queue/v1/task/{taskId}', { params: { path: { taskId } }, body: definitionFor(place, image) });
  if (error) throw new Error(error.message);
  const state = await resolved(place, taskId);
  const log = await (await fetch(artifactOf(place, taskId, 'public/logs/live.log'))).text();
  say(`11. A step runs skopeo, which has no credentials: it reaches ${NAME} by the proxy of its run, as far as its task may`, {
    task: taskId,
    scopes: REGISTRY_SCOPES,
    state,
    log: log
      .trimEnd()
      .split('\n')
      .map((line) => `| ${line}`),
  });
  if (state !== 'completed') throw new Error(`the task is ${state}`);
}

/** What the proxy has added, and the step has never seen. */
function tellWire({ sent }: RegistryWire, say: Say): void {
  const counts = new Map<string, number>();
  for (const { method, token, status } of sent) {
    const access =
      token === undefined ? 'no token' : `a token of ${claimsIn(token).sub.slice(0, 14)}… for ${accessIn(token).join(', ') || 'nothing'}`;
    const line = `${method.padEnd(6)} ${status < 400 || status === 404 ? 'by' : 'refused, by'} ${access}`;
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  say(
    '12. What the registry was sent for it: each request has a token for just what it does. They live five minutes, and end with the lease',
    {
      requests: [...counts].map(([line, count]) => `${String(count).padStart(2)} × ${line}`),
    },
  );
}

function definitionFor({ taskQueueId }: Place, image: string) {
  const script = [
    `skopeo login --get-login ${NAME} 2>&1 || echo "so there are no credentials here"`,
    `skopeo copy -q oci:${image}:latest docker://${NAME}/demo/app:1 && echo "pushed demo/app:1" &&`,
    `skopeo copy -q docker://${NAME}/demo/app:1 oci:/workspace/back:latest && echo "pulled demo/app:1" || exit 1`,
    `skopeo copy -q docker://${NAME}/other/app:1 oci:/workspace/other:latest 2>/dev/null && exit 1`,
    'echo "pulled nothing of other/app"',
  ];
  return {
    taskQueueId,
    created: taskcluster.fromNowJSON('0 seconds'),
    deadline: taskcluster.fromNowJSON('1 hour'),
    scopes: REGISTRY_SCOPES,
    payload: { version: 1, maxRunTime: 60, steps: [{ name: 'copy', script: script.join('\n'), network: 'proxy', proxyUrl: true }] },
    metadata: { name: 'registry', description: 'skopeo in a sandbox', owner: 'demo@example.com', source: 'https://example.com' },
  };
}
