import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DockerRegistry } from '../docker-registry.js';
import { makeImage } from '../oci-layout.js';
import { mayOn } from '../token-access.js';
import { TokenServer } from '../token-server.js';
import { artifactory } from './artifactory.js';
import { copyImage, pushImage } from './copy-image.js';
import { Gateway } from './gateway.js';
import { type Login, NaiveClient } from './naive-client.js';
import { nvcr } from './nvcr.js';
import { type Run, STRATEGIES, type StrategyName } from './strategies.js';
import { TrapServer } from './trap-server.js';

export const GATEWAYS = ['compliant', 'like Artifactory', 'like nvcr'] as const;
export type GatewayName = (typeof GATEWAYS)[number];

/** What is done once: an image of so many layers is copied from one repository to another. */
export interface Cell {
  gateway: GatewayName;
  strategy: StrategyName;
  layers: number;
  concurrency: number;
}

/** What that has cost beyond its 4 (N + 1) + 2 requests, and what it may have. */
export interface Cost {
  /** 401 that the gateway answered. */
  unauthorized: number;
  tokenRequests: number;
  /** Requests in the trap that bore a credential. */
  leaks: number;
  /** Why it could not be copied. */
  failure?: string;
  /** Undefined for a yardstick, of which nothing is promised. */
  most: { unauthorized: number; tokenRequests: number } | undefined;
}

const PREFIX = 'foo-docker/';
const LOGIN: Login = { username: 'run', password: 'the-secret-of-the-run' };

/** A registry, its token server, three gateways, and a trap that one of them names as a realm; and copies that are counted. */
export class RoundTrips {
  private readonly sources = new Set<number>();
  private copies = 0;

  private constructor(
    private readonly directory: string,
    private readonly tokens: TokenServer,
    private readonly registry: DockerRegistry,
    private readonly gateways: Record<GatewayName, Gateway>,
    private readonly trap: TrapServer,
  ) {}

  static async start(): Promise<RoundTrips> {
    const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-round-trips-'));
    const [tokens, trap] = [await TokenServer.start(), await TrapServer.start()];
    tokens.users.set(LOGIN.username, { password: LOGIN.password, may: mayOn({ push: ['team-a/*', 'team-b/*'] }) });
    const registry = await DockerRegistry.start(directory, { auth: tokens.auth });
    const gateways = {
      compliant: await Gateway.start(registry.origin),
      'like Artifactory': await Gateway.start(registry.origin, artifactory(PREFIX)),
      'like nvcr': await Gateway.start(registry.origin, nvcr(trap.realm)),
    };
    return new RoundTrips(directory, tokens, registry, gateways, trap);
  }

  /** One at a time: they share what counts. */
  async cost(cell: Cell): Promise<Cost> {
    await this.prepare(cell.layers);
    const gateway = this.gateways[cell.gateway];
    gateway.reset();
    this.trap.reset();
    this.tokens.requests.length = 0;
    const failure = await this.copied(cell, gateway).catch((error: Error) => error.message);
    return {
      unauthorized: gateway.count(401),
      tokenRequests: this.tokens.requests.length,
      leaks: this.trap.leaks([LOGIN.password]).length,
      ...(failure !== undefined && { failure }),
      most: STRATEGIES[cell.strategy].most(cell.gateway),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of [...Object.values(this.gateways), this.registry, this.tokens, this.trap]) await one[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Whoever has what the tokens of a run allow does this by hand, past the gateways. */
  private async prepare(layers: number): Promise<void> {
    if (this.sources.has(layers)) return;
    this.sources.add(layers);
    using client = new NaiveClient({ host: this.registry.host }, 1, 'repository', LOGIN);
    await pushImage(client.send, sourceOf(layers), 'latest', makeImage(layers));
  }

  private async copied({ gateway: name, strategy, layers, concurrency }: Cell, gateway: Gateway): Promise<undefined> {
    const prefix = name === 'like Artifactory' ? PREFIX : '';
    const run: Run = { gateway, login: LOGIN, realm: this.tokens.realm, service: this.tokens.service, prefix };
    const client = await STRATEGIES[strategy].connect(run, concurrency);
    try {
      const copy = { from: prefix + sourceOf(layers), to: `${prefix}team-b/copy-${this.copies++}`, tag: 'latest', concurrency };
      const requests = await copyImage({ ...copy, via: client.send });
      if (requests !== 4 * (layers + 1) + 2) throw new Error(`${requests} requests for ${layers} layers`);
    } finally {
      await client.close();
    }
  }
}

const sourceOf = (layers: number) => `team-a/source-${layers}`;
