import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { generateKey } from '../../src/signatures/generate-key.js';
import type { Api, Credentials } from './api.js';
import { newQueue } from './creator.js';
import { DockerRegistry } from './docker-registry.js';
import { Gateway } from './gateways/gateway.js';
import { makeImage, writeLayout } from './oci-layout.js';
import { newPeerDirectory } from './peer-process.js';
import { RegistryWire } from './registry-wire.js';
import { eventually } from './service-process.js';
import { Tap } from './tap.js';
import { HERE } from './task-tokens.js';
import { ok, Tasks } from './tasks.js';
import { startTestService, type TestService } from './test-service.js';
import { WorkerHome, WorkerProcess } from './worker-process.js';

/** Under which name steps know the registry. */
export const REGISTRY = 'registry.test';

/** An image that a step finds on its disk, and what nobody else's image has. */
export interface Given {
  layout: string;
  digests: string[];
}

/** Of a worker's configuration, and files that it names; registries beside the one of the chain. */
interface Members extends Record<string, unknown> {
  registries?: object[];
  files?: Record<string, object | string>;
}

/** A worker, with what it has on disk. */
export interface Working {
  home: WorkerHome;
  process: WorkerProcess;
  taskQueueId: string;
}

/**
 * All that stands between a step and a registry, as it is: the service, workers as processes, and docker-registry, which believes the service.
 * Only the wires are ours: one between workers and the service, one between workers and the registry.
 */
export class RegistryChain {
  readonly tasks: Tasks;
  private readonly open: (() => unknown)[] = [];

  private constructor(
    readonly test: TestService,
    /** Between workers, and whoever wants a token, and the service. */
    readonly service: Tap,
    readonly registry: DockerRegistry,
    /** Between workers and the registry. */
    readonly gateway: Gateway,
    readonly wire: RegistryWire,
    /** Which steps can read. */
    readonly directory: string,
    private readonly worker: Api,
  ) {
    this.tasks = new Tasks(test.root, test.database);
  }

  static async start(): Promise<RegistryChain> {
    const test = await startTestService({
      issuerUrl: HERE,
      signatureAudience: HERE,
      registryService: REGISTRY,
      claimPoll: 5,
      sweepInterval: 0.2,
    });
    const service = await Tap.before(test.root.url);
    const directory = newPeerDirectory();
    chmodSync(directory, 0o755);
    const { body: certificates } = await test.root.as().get('/registry/certificate');
    const auth = { realm: `${service.origin}/registry/token`, service: REGISTRY, issuer: HERE, certificates };
    const registry = await DockerRegistry.start(path.join(directory, 'registry'), { auth });
    const wire = new RegistryWire();
    const gateway = await Gateway.start(registry.origin, wire);
    const worker = await test.client('queue:claim-work:*', 'queue:worker-id:*');
    return new RegistryChain(test, service, registry, gateway, wire, directory, worker);
  }

  /** Ends what a test has begun. */
  async tidy(): Promise<void> {
    for (const close of this.open.splice(0).reverse()) await close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tidy();
    for (const one of [this.gateway, this.registry, this.service]) await one[Symbol.asyncDispose]();
    await this.test.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  image(name: string, layers = 2): Given {
    const layout = path.join(this.directory, name);
    const image = makeImage(layers);
    writeLayout(layout, image);
    return { layout, digests: [image.manifest, image.config, ...image.layers].map(({ digest }) => digest) };
  }

  /** A worker that isolates steps, knows the registry, and runs as itself what tasks ask there. */
  async startWorker(workerId: string, { registries = [], files = {}, ...members }: Members = {}): Promise<Working> {
    const taskQueueId = newQueue();
    const ours = { name: REGISTRY, origin: this.gateway.origin, credentials: 'run' };
    const home = new WorkerHome(this.worker, [taskQueueId], {
      ...{
        rootUrl: this.service.origin,
        workerId,
        isolation: 'bubblewrap',
        sandbox: { readable: [this.directory] },
        receiptKey: 'receipts.json',
      },
      ...{ registries: [ours, ...registries], ...members },
    });
    for (const [name, content] of Object.entries(files)) home.put(name, content);
    home.put('receipts.json', generateKey('EdDSA', { kid: 'worker' }).privateJwk);
    const process = new WorkerProcess(home);
    this.open.push(async () => {
      await process[Symbol.asyncDispose]();
      home.remove();
    });
    await process.says('The worker claims');
    return { home, taskQueueId, process };
  }

  onTidy(close: () => unknown): void {
    this.open.push(close);
  }

  get workersToken(): string {
    return this.worker.credentials!.accessToken;
  }

  /** Of one step, which can call its proxy by names unless it is told otherwise. */
  create(taskQueueId: string, scopes: string[], script: string, reach: object = { network: 'proxy', proxyUrl: true }): Promise<string> {
    const steps = [{ name: 'step', script, ...reach }];
    return this.tasks.create({ taskQueueId, scopes, payload: { version: 1, maxRunTime: 60, steps }, retries: 0 });
  }

  async resolved(taskId: string): Promise<string> {
    await eventually(
      `task ${taskId} is resolved`,
      async () => /completed|failed|exception/.test(await this.tasks.state(taskId)),
      40_000,
      50,
    );
    return this.tasks.state(taskId);
  }

  async artifact(taskId: string, name: string): Promise<string> {
    const { headers, status } = await this.test.root.get(`/queue/v1/task/${taskId}/runs/0/artifacts/${encodeURIComponent(name)}`);
    if (status !== 303) throw new Error(`artifact ${name} of ${taskId}: ${status}`);
    return (await fetch(headers.location!)).text();
  }

  log = (taskId: string) => this.artifact(taskId, 'public/logs/live.log');

  /** Everything that a worker leaves of a run, for whoever may read it. */
  async left(taskId: string): Promise<string> {
    const names = (await ok(this.test.root.get(`/queue/v1/task/${taskId}/runs/0/artifacts`))).artifacts as { name: string }[];
    const texts = names.map(({ name }) => this.artifact(taskId, name));
    return [...(await Promise.all(texts)), JSON.stringify(await this.tasks.status(taskId))].join('\n');
  }

  /** Goes on with the steps that wait for a file of that name in their workspace. */
  go({ home }: Working, name = 'go'): void {
    for (const task of home.tasks) writeFileSync(home.at('state', 'tasks', task, 'workspace', name), '');
  }

  /** What nobody may ever be shown: what has been on the wires. */
  get canaries(): string[] {
    const lent = [...this.service.answered.matchAll(/"accessToken":"([^"]+)"/g)].map(([, token]) => token!);
    const given = [...this.service.answered.matchAll(/"(?:access_)?token":"([^"]+)"/g)].map(([, token]) => token!);
    return [...new Set([this.workersToken, ...lent, ...given, ...this.wire.tokens, ...this.wire.states])];
  }

  /** What a run was lent, one after the other. */
  lentTo(taskId: string, { answered } = this.service): Credentials[] {
    const lent = answered.matchAll(/\{"clientId":"[^"]+","accessToken":"[^"]+","certificate":"(?:[^"\\]|\\.)+"\}/g);
    return [...lent].map(([json]) => JSON.parse(json) as Credentials).filter(({ clientId }) => clientId.includes(taskId));
  }

  /** Requests for tokens: by whom, with which of its credentials, and for which registry scopes. */
  asked({ asked } = this.service): { by: string; ext: string; scopes: string[] }[] {
    const requests = asked.matchAll(/^GET (\/registry\/token\S*) HTTP\/1.1\r\n((?:[^\r\n]+\r\n)*)/gm);
    return [...requests].map(([, target = '', headers = '']) => ({
      ext: /^authorization: Hawk .*?\bext="([^"]+)"/im.exec(headers)?.[1] ?? '',
      by: /^authorization: Hawk id="([^"]+)"/im.exec(headers)?.[1] ?? '',
      scopes: new URL(target, 'http://service').searchParams.getAll('scope'),
    }));
  }
}

/** For a step: it waits until a test lets it go on. */
export const awaits = (name = 'go') => `until [ -e "$TASK_WORKSPACE/${name}" ]; do sleep 0.05; done`;
