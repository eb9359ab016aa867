import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, freePort } from './service-process.js';

/** Not the one in PATH: that one insists on being root, becomes another user, and writes to /var. */
const PROGRAM = '/usr/lib/rabbitmq/bin/rabbitmq-server';
const NAME_SERVER = '/usr/bin/epmd';
const READY_WITHIN_MS = 60_000;

/** A RabbitMQ of our own, on the loopback interface: nothing of it is shared with one that this machine may run. */
export class RabbitMq {
  static readonly isInstalled = [PROGRAM, NAME_SERVER].every((file) => existsSync(file));
  static readonly MOST_BYTES = 100_000; // of a message

  private server: ChildProcess | undefined;
  private output = '';

  private constructor(
    private readonly directory: string,
    private readonly ports: { amqp: number; names: number; nodes: number },
    /** Erlang's name server; by itself the node would start one that outlives it. */
    private readonly names: ChildProcess,
  ) {}

  static async start(): Promise<RabbitMq> {
    const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-rabbitmq-'));
    const ports = { amqp: await freePort(), names: await freePort(), nodes: await freePort() };
    const names = spawn(NAME_SERVER, ['-port', String(ports.names), '-address', '127.0.0.1'], { stdio: 'ignore' });
    const broker = new RabbitMq(directory, ports, names);
    broker.configure();
    await broker.start();
    return broker;
  }

  get url(): string {
    return this.urlFor();
  }

  urlFor(user = 'guest', password = 'guest'): string {
    return `amqp://${user}:${password}@127.0.0.1:${this.ports.amqp}`;
  }

  /** Starts it again, with what it had kept. */
  async start(): Promise<void> {
    this.output = '';
    const server = spawn(PROGRAM, ['-noinput'], { env: this.environment(), cwd: this.directory, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [server.stdout, server.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.server = server;
    const isReady = () => this.output.includes('Server startup complete');
    await eventually('RabbitMQ is ready', () => isReady() || server.exitCode !== null, READY_WITHIN_MS, 100);
    if (!isReady()) throw new Error(`RabbitMQ did not start:\n${this.output}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.server?.kill(signal);
  }

  async kill(): Promise<void> {
    await ended(this.server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await ended(this.server);
    await ended(this.names);
    rmSync(this.directory, { recursive: true, force: true });
  }

  private configure(): void {
    for (const name of ['home', 'data', 'log']) mkdirSync(path.join(this.directory, name), { mode: 0o700 });
    const settings = [`listeners.tcp.1 = 127.0.0.1:${this.ports.amqp}`, `max_message_size = ${RabbitMq.MOST_BYTES}`];
    writeFileSync(path.join(this.directory, 'rabbitmq.conf'), `${settings.join('\n')}\n`);
    writeFileSync(path.join(this.directory, 'plugins'), '[].\n');
  }

  private environment(): NodeJS.ProcessEnv {
    const file = (name: string) => path.join(this.directory, name);
    return {
      PATH: process.env.PATH,
      HOME: file('home'), // its cookie
      ERL_EPMD_PORT: String(this.ports.names),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: 'leasehold-test@localhost',
      RABBITMQ_DIST_PORT: String(this.ports.nodes),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
      RABBITMQ_MNESIA_BASE: file('data'),
      RABBITMQ_LOG_BASE: file('log'),
      RABBITMQ_LOGS: '-',
      RABBITMQ_PID_FILE: file('pid'),
      RABBITMQ_ENABLED_PLUGINS_FILE: file('plugins'),
      RABBITMQ_CONFIG_FILE: file('rabbitmq.conf'),
      RABBITMQ_CONF_ENV_FILE: file('none'),
      RABBITMQ_ALLOW_INPUT: '1', // no shell stays in between: the process we start is the broker
    };
  }
}

async function ended(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}
