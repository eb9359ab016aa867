import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createFloor, fillFloor } from './drivers/floor.js';
import { HttpDriver } from './drivers/http.js';
import { fill, vacuum } from './fill.js';
import { type Follower, GeneratorProcess } from './generator-process.js';
import type { Job } from './job.js';
import type { Options } from './options.js';
import { usageOf } from './processes.js';
import type { Round } from './row.js';
import { type Database, Server } from './server.js';
import { Service } from './service.js';

interface Cpu {
  postgres?: number | undefined;
  service?: number | undefined;
}

const LARGE_FILL = 50_000;
const WARM_UP = { kind: 'lives', concurrency: 8, batch: 1, warmUpSeconds: 0, tasks: 3_000 } as const;

/** One deployment: a database and the services on it. */
export interface Deployment {
  database: Database;
  services: Service[];
}

/** Everything that runs while the bench does, and the end of it. */
export class Stage {
  private readonly services = new Set<Service>();
  private readonly generator = new GeneratorProcess();
  private readonly sampling = setInterval(() => this.sample(), 1000);
  private readonly settled = new Set<Database>();
  private queues = 0;
  private floorDatabase: Database | undefined;
  private mainDeployment: Deployment | undefined;
  private mostMemory = 0;
  private closing: Promise<void> | undefined;

  private constructor(
    readonly options: Options,
    readonly directory: string,
    readonly server: Server,
  ) {}

  static async open(options: Options): Promise<Stage> {
    const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-bench-'));
    chmodSync(directory, 0o711); // the embedded Postgres, run as another user, passes through
    try {
      return new Stage(options, directory, await Server.start(path.join(directory, 'postgres')));
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** A service on a database of its own; `flags` are Node's. */
  async deploy(settings: Record<string, string> = {}, flags: string[] = []): Promise<Deployment> {
    const deployment: Deployment = { database: await this.server.createDatabase(), services: [] };
    await this.addService(deployment, settings, flags);
    await this.fillQueue(deployment, 5_000);
    return deployment;
  }

  /** One more process of the service on the same database, warmed up: a program that has just begun is not compiled yet. */
  async addService(deployment: Deployment, settings: Record<string, string> = {}, flags: string[] = []): Promise<Service> {
    const service = await Service.start(deployment.database.url, path.join(this.directory, `data-${this.services.size}`), settings, flags);
    this.services.add(service);
    deployment.services.push(service);
    await this.perform({
      ...WARM_UP,
      seconds: this.options.warmUpSeconds,
      over: { driver: 'http', urls: [service.url] },
      taskQueueId: this.newQueue(),
    });
    return service;
  }

  async removeService(deployment: Deployment, service: Service): Promise<void> {
    deployment.services.splice(deployment.services.indexOf(service), 1);
    this.services.delete(service);
    await service.stop();
  }

  async remove(deployment: Deployment): Promise<void> {
    for (const service of [...deployment.services]) await this.removeService(deployment, service);
    await this.server.dropDatabase(deployment.database);
  }

  /** The deployment of all scenarios that do not want one of their own. */
  async main(): Promise<Deployment> {
    this.mainDeployment ??= await this.deploy();
    return this.mainDeployment;
  }

  async floor(): Promise<Database> {
    if (!this.floorDatabase) {
      this.floorDatabase = await this.server.createDatabase();
      await createFloor(this.floorDatabase.client);
    }
    return this.floorDatabase;
  }

  /** A name that nobody has used. */
  newQueue(): string {
    return `bench/q${this.queues++}`;
  }

  /** A new queue with so many tasks pending; the first goes through the API, and the others are like it. */
  async fillQueue(deployment: Deployment, count: number): Promise<string> {
    const taskQueueId = this.newQueue();
    await this.topUp(deployment, taskQueueId, count);
    return taskQueueId;
  }

  /** So many tasks more. */
  async topUp({ database, services }: Deployment, taskQueueId: string, count: number): Promise<void> {
    const driver = new HttpDriver([services[0]!.url], taskQueueId, 1);
    try {
      await fill(database.client, await driver.createTask(0), count);
    } finally {
      await driver.close();
    }
    await this.settle(database, count);
  }

  async fillFloor(count: number): Promise<string> {
    const database = await this.floor();
    const queue = this.newQueue();
    await fillFloor(database.client, queue, count);
    await this.settle(database, count);
    return queue;
  }

  /** A database that has never been analysed is planned for blindly. From the second fill on that is for autovacuum to see to. */
  private async settle(database: Database, count: number): Promise<void> {
    if (this.settled.has(database) && count < LARGE_FILL) return;
    this.settled.add(database);
    await vacuum(database.client);
  }

  /** Runs one job; CPU is what was used between the warm-up and the end of its time. */
  async perform(job: Job, follower: Follower = {}): Promise<Round> {
    let [before, after]: [Cpu, Cpu] = [{}, {}];
    const result = await this.generator.perform(job, {
      ...follower,
      measuring: () => {
        before = this.cpuSeconds();
        follower.measuring?.();
      },
      measured: () => {
        after = this.cpuSeconds();
      },
    });
    const used = (name: 'postgres' | 'service') =>
      before[name] === undefined || after[name] === undefined ? {} : { [name]: after[name] - before[name] };
    return { ...result, cpu: { ...used('postgres'), ...used('service'), load: result.cpuSeconds } };
  }

  /** Ends and removes everything. Whoever still measures fails. */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  get closed(): boolean {
    return this.closing !== undefined;
  }

  private async end(): Promise<void> {
    clearInterval(this.sampling);
    this.generator.kill();
    await Promise.all([...this.services].map((service) => service.stop()));
    await this.server.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Of the largest process of the service since this was last asked, in MB; nothing where it cannot be told. */
  takeMostMemory(): number | undefined {
    this.sample();
    const most = this.mostMemory;
    this.mostMemory = 0;
    return most === 0 ? undefined : Math.round(most);
  }

  private cpuSeconds(): Cpu {
    const services = [...this.services].map(({ pid }) => usageOf(pid)?.cpuSeconds);
    const known = services.every((seconds) => seconds !== undefined);
    return {
      postgres: this.server.pid === undefined ? undefined : usageOf(this.server.pid)?.cpuSeconds,
      service: known ? services.reduce((sum, seconds) => sum + seconds, 0) : undefined,
    };
  }

  private sample(): void {
    for (const { pid } of this.services) this.mostMemory = Math.max(this.mostMemory, usageOf(pid)?.rssMegabytes ?? 0);
  }
}
