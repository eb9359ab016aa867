import { randomBytes } from 'node:crypto';
import { signTaskRequest } from '../../../src/client/sign-task-request.js';
import type { Credentials } from '../../../src/credentials/ext.js';
import { headerMac } from '../../../src/credentials/hawk.js';
import { slugid } from '../../../src/credentials/slugid.js';
import { signerOf, type TaskSigner } from '../../../src/signatures/signer.js';
import type { Signing } from '../job.js';
import { Connection } from './connection.js';
import type { Driver, Held } from './driver.js';

/** What tasks of the bench are signed for. */
export const AUDIENCE = 'bench';

const TASK_SCOPES = ['bench:read:one', 'secrets:get:project/bench/*'];

/** What is measured is a narrow client, not one that may do anything. Reclaims and reports are made with what was lent. */
export const LOAD_CLIENT = {
  clientId: 'static/bench',
  accessToken: 'token-of-the-load-0123456789abcdef',
  description: 'the load of the bench',
  scopes: [
    ...TASK_SCOPES,
    ...['queue:create-task:lowest:bench/*', 'queue:create-task:project:none', 'queue:scheduler-id:-'],
    ...['queue:claim-work:bench/*', 'queue:worker-id:bench/*', 'queue:set-signature-policy:bench/*'],
  ],
};

interface Claim {
  status: { taskId: string };
  runId: number;
  credentials: Credentials;
}

/**
 * Speaks Hawk over connections that stay open, one call at a time on each, and spends as little as it can: it takes its CPU from the
 * service. Only answers that hold credentials are parsed. With several URLs (replicas) worker n calls the n-th of them.
 */
export class HttpDriver implements Driver {
  private readonly services: Service[];
  private readonly task: string;
  private readonly signer: TaskSigner | undefined;
  /** By worker: the next task, signed. */
  private readonly signed = new Map<number, { taskId: string; body: string }>();

  constructor(
    urls: readonly string[],
    private readonly taskQueueId: string,
    connections: number,
    private readonly signing?: Signing,
  ) {
    this.signer = signing && signerOf(signing.key);
    this.services = urls.map((url) => new Service(url, connections));
    this.task = JSON.stringify(task(taskQueueId, slugid()));
  }

  async create(worker: number): Promise<void> {
    await this.createTask(worker);
  }

  async prepare(worker: number): Promise<void> {
    if (!this.signing || !this.signer) return;
    const taskId = slugid();
    const request = { audience: AUDIENCE, taskId, definition: JSON.parse(this.task) };
    const { signature, ...definition } = await signTaskRequest(this.signer, request);
    this.signed.set(worker, { taskId, body: JSON.stringify(this.signing.discard ? definition : { ...definition, signature }) });
  }

  async createTask(worker: number): Promise<string> {
    const { taskId, body } = this.signed.get(worker) ?? { taskId: slugid(), body: this.task };
    await this.call(worker, 'PUT', `task/${taskId}`, LOAD_CLIENT, body);
    return taskId;
  }

  /** Whose signatures the queue believes, and that it wants them. */
  async require(keySet: object): Promise<void> {
    const path = `task-queues/${encodeURIComponent(this.taskQueueId)}/signature-policy`;
    await this.call(0, 'PUT', path, LOAD_CLIENT, JSON.stringify({ policy: 'require', keySet }));
  }

  /** As many tasks as one request may hold, each of which depends on up to so many before it. */
  createTasks(count: number, dependencies: number): Promise<string> {
    const taskIds = Array.from({ length: count }, () => slugid());
    const group = slugid();
    const before = (index: number) => taskIds.slice(Math.max(0, index - dependencies), index);
    const tasks = taskIds.map((taskId, index) => ({ taskId, task: { ...task(this.taskQueueId, group), dependencies: before(index) } }));
    return this.call(0, 'POST', 'tasks/create', LOAD_CLIENT, JSON.stringify({ tasks }));
  }

  async claim(worker: number, wanted: number): Promise<Held[]> {
    const body = `{"workerGroup":"bench","workerId":"w${worker}","tasks":${wanted}}`;
    const path = `claim-work/${encodeURIComponent(this.taskQueueId)}`;
    const { tasks } = JSON.parse(await this.call(worker, 'POST', path, LOAD_CLIENT, body)) as { tasks: Claim[] };
    return tasks.map(({ status: { taskId }, runId, credentials }) => ({ taskId, runId, credentials }));
  }

  async reclaim(worker: number, held: Held): Promise<Held> {
    const { credentials } = JSON.parse(await this.report(worker, held, 'reclaim')) as Claim;
    return { ...held, credentials };
  }

  async complete(worker: number, held: Held): Promise<void> {
    await this.report(worker, held, 'completed');
  }

  async close(): Promise<void> {
    for (const service of this.services) service.close();
  }

  private report(worker: number, { taskId, runId, credentials }: Held, verb: string): Promise<string> {
    if (!credentials) throw new Error('nothing was lent for this run');
    return this.call(worker, 'POST', `task/${taskId}/runs/${runId}/${verb}`, credentials);
  }

  private call(worker: number, method: 'POST' | 'PUT', path: string, credentials: Credentials, body?: string): Promise<string> {
    const { services } = this;
    return services[worker % services.length]!.call(Math.floor(worker / services.length), method, path, credentials, body);
  }
}

/** 2 kB, as an ordinary definition. */
function task(taskQueueId: string, taskGroupId: string): Record<string, unknown> {
  const from = Date.now();
  const after = (hours: number) => new Date(from + hours * 3_600_000).toISOString();
  const metadata = { name: 'bench', description: 'a task of the bench', owner: 'bench@example.com', source: 'https://example.com/bench' };
  const payload = { command: ['/bin/sh', '-c', 'true'], env: { DATA: 'x'.repeat(1_350) } };
  return { taskQueueId, taskGroupId, created: after(0), deadline: after(4), expires: after(24), scopes: TASK_SCOPES, payload, metadata };
}

class Service {
  private readonly url: URL;
  private readonly connections: Connection[];
  private readonly prefix = randomBytes(4).toString('hex');
  private nonce = 0;

  constructor(url: string, connections: number) {
    this.url = new URL(url);
    this.connections = Array.from({ length: connections }, () => new Connection(this.url));
  }

  /** The body of the answer; anything but a 200 is an error. Each worker has a connection of its own. */
  call(worker: number, method: 'POST' | 'PUT', path: string, credentials: Credentials, body?: string): Promise<string> {
    const resource = `/api/queue/v1/${path}`;
    const connection = this.connections[worker % this.connections.length]!;
    return connection.send(method, resource, `authorization: ${this.sign(method, resource, credentials)}\r\n`, body);
  }

  close(): void {
    for (const connection of this.connections) connection.close();
  }

  private sign(method: string, resource: string, { clientId, accessToken, certificate }: Credentials): string {
    const ts = String(Math.floor(Date.now() / 1000));
    const nonce = this.prefix + (this.nonce++).toString(36);
    // the certificate is JSON text already: no need to parse it to put it into JSON
    const ext = certificate && Buffer.from(`{"certificate":${certificate}}`).toString('base64');
    const request = { method, resource, host: this.url.hostname, port: Number(this.url.port) };
    const mac = headerMac(accessToken, request, { id: clientId, ts, nonce, ...(ext ? { ext } : {}) });
    return `Hawk id="${clientId}", ts="${ts}", nonce="${nonce}"${ext ? `, ext="${ext}"` : ''}, mac="${mac}"`;
  }
}
