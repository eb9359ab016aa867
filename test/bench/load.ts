import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { type Credentials, extFor } from '../../src/credentials/ext.js';
import { headerMac } from '../../src/credentials/hawk.js';
import { definition, slugid } from '../support/api.js';

/** Latencies of one kind of call, in milliseconds. */
export class Latencies {
  private readonly values: number[] = [];

  async time<T>(call: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await call();
    this.values.push(performance.now() - start);
    return result;
  }

  summary(): { p50: number; p99: number } {
    const sorted = this.values.sort((a, b) => a - b);
    const at = (share: number) => Math.round((sorted[Math.floor(share * (sorted.length - 1))] ?? 0) * 100) / 100;
    return { p50: at(0.5), p99: at(0.99) };
  }
}

interface Claim {
  status: { taskId: string };
  runId: number;
  credentials: Credentials;
}

const TASK_SCOPES = ['bench:read:one', 'secrets:get:project/bench/*'];

/** What the client of the load needs; reclaims and reports are made with what was lent. */
export const LOAD_SCOPES = [
  ...TASK_SCOPES,
  ...['queue:create-task:lowest:bench/*', 'queue:create-task:project:none', 'queue:scheduler-id:-'],
  ...['queue:claim-work:bench/*', 'queue:worker-id:bench/*'],
];

/** A client that spends as little as it can on each call, over connections that stay open. */
export class Load {
  private readonly agent: Agent;
  private readonly host: string;
  private readonly port: number;
  private nonce = 0;
  private readonly prefix = randomBytes(4).toString('hex');
  private readonly group = slugid();

  constructor(
    url: string,
    private readonly credentials: Credentials,
    connections: number,
  ) {
    ({ hostname: this.host } = new URL(url));
    this.port = Number(new URL(url).port);
    this.agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  createTask(taskQueueId: string): Promise<unknown> {
    const payload = { command: ['/bin/sh', '-c', 'true'], env: { DATA: 'x'.repeat(1_200) } };
    const task = definition({ taskQueueId, taskGroupId: this.group, scopes: TASK_SCOPES, payload });
    return this.call('PUT', `task/${slugid()}`, this.credentials, task);
  }

  /** As many tasks, each of which depends on up to so many before it, in one request. */
  createTasks(taskQueueId: string, count: number, dependencies: number): Promise<unknown> {
    const taskIds = Array.from({ length: count }, () => slugid());
    const payload = { command: ['/bin/sh', '-c', 'true'], env: { DATA: 'x'.repeat(1_200) } };
    const before = (index: number) => taskIds.slice(Math.max(0, index - dependencies), index);
    const task = (index: number) => definition({ taskQueueId, taskGroupId: this.group, payload, dependencies: before(index) });
    const tasks = taskIds.map((taskId, index) => ({ taskId, task: task(index) }));
    return this.call('POST', 'tasks/create', this.credentials, { tasks });
  }

  async claimWork(taskQueueId: string, workerId: string, tasks: number): Promise<Claim[]> {
    const body = { workerGroup: 'bench', workerId, tasks };
    const answer = await this.call<{ tasks: Claim[] }>('POST', `claim-work/${encodeURIComponent(taskQueueId)}`, this.credentials, body);
    return answer.tasks;
  }

  /** Reclaim or completed, with the run's own credentials. */
  run<T>({ status, runId }: Claim, verb: string, credentials: Credentials): Promise<T> {
    return this.call('POST', `task/${status.taskId}/runs/${runId}/${verb}`, credentials);
  }

  close(): void {
    this.agent.destroy();
  }

  private call<T>(method: string, path: string, credentials: Credentials, body?: unknown): Promise<T> {
    const resource = `/api/queue/v1/${path}`;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      authorization: this.sign(method, resource, credentials),
      ...(text ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } : {}),
    };
    return new Promise((resolve, reject) => {
      const sent = request({ agent: this.agent, host: this.host, port: this.port, method, path: resource, headers }, (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('end', () => {
          const received = Buffer.concat(parts).toString();
          if (answer.statusCode === 200) resolve(JSON.parse(received));
          else reject(new Error(`${method} ${path}: ${answer.statusCode} ${received.slice(0, 300)}`));
        });
      });
      sent.on('error', reject);
      sent.end(text);
    });
  }

  private sign(method: string, resource: string, credentials: Credentials): string {
    const ts = String(Math.floor(Date.now() / 1000));
    const nonce = this.prefix + (this.nonce++).toString(36);
    const ext = extFor(credentials, undefined);
    const mac = headerMac(
      credentials.accessToken,
      { method, resource, host: this.host, port: this.port },
      { id: '', ts, nonce, ...(ext ? { ext } : {}) },
    );
    return `Hawk id="${credentials.clientId}", ts="${ts}", nonce="${nonce}"${ext ? `, ext="${ext}"` : ''}, mac="${mac}"`;
  }
}
