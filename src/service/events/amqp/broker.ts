import type { ChannelModel, ConfirmChannel } from 'amqplib';
import { PUBLISHED_KINDS } from '../event-message.js';
import { exchangeOf } from './routing-key.js';

export interface AmqpMessage {
  exchange: string;
  routingKey: string;
  cc: string[];
  content: Buffer;
}

/** A message that the broker will not take however often it comes: it is too large, or makes too large a frame. */
export class MessageRefused extends Error {}

const CONNECT_MS = 10_000;
const SEND_MS = 30_000;
const STOP_MS = 2_000; // how long a service that stops waits for a broker that does not answer
const CLOSE_MS = 1_000;
const HEARTBEAT_SECONDS = 10;
/** AMQP's precondition-failed, frame-error and syntax-error. Others are about the broker, or about what we may. */
const REFUSALS = [406, 501, 502];

/** A connection to an AMQP broker, with the exchanges in place. It does not outlive a failure: make another one. */
export class Broker {
  private channel: ConfirmChannel | undefined;
  private failure: (Error & { code?: unknown }) | undefined;
  private blocked = '';

  private constructor(private readonly connection: ChannelModel) {
    connection.on('error', (error) => this.fail(error));
    connection.on('close', (error) => this.fail(error ?? new Error('the connection was closed')));
    connection.on('blocked', (reason) => {
      this.blocked = `; the broker takes nothing now: ${reason}`;
    });
    connection.on('unblocked', () => {
      this.blocked = '';
    });
  }

  static async connect(url: string, stop: AbortSignal): Promise<Broker> {
    const { connect } = await import('amqplib'); // not before somebody wants it
    const socket = { timeout: CONNECT_MS, noDelay: true, keepAlive: true, clientProperties: { connection_name: 'leasehold' } };
    const opening = connect(addressOf(url), socket).then((connection) => new Broker(connection));
    try {
      const broker = await within(opening, CONNECT_MS, stop, 'the broker did not answer');
      await within(broker.open(), CONNECT_MS, stop, 'the broker did not open a channel');
      return broker;
    } catch (error) {
      opening.then((late) => late.close()).catch(() => undefined);
      throw error;
    }
  }

  /** Throws when the connection is lost; a lost one says so only then. */
  assertAlive(): void {
    if (this.failure) throw this.failure;
  }

  /** Sends in this order; returns once the broker has confirmed each. Throws MessageRefused if it will not have one of them. */
  async send(messages: readonly AmqpMessage[], stop: AbortSignal): Promise<void> {
    const confirmed = Promise.all(messages.map((message) => this.publish(message)));
    try {
      await within(confirmed, SEND_MS, stop, 'the broker did not confirm');
    } catch (error) {
      const cause = this.failure ?? (error as Error);
      const refused = cause instanceof RangeError || REFUSALS.includes(Number(this.failure?.code));
      throw refused ? new MessageRefused(cause.message, { cause }) : new Error(`${cause.message}${this.blocked}`, { cause });
    }
  }

  async close(): Promise<void> {
    await within(this.connection.close(), CLOSE_MS, new AbortController().signal, '').catch(() => undefined);
    const { stream } = this.connection.connection as unknown as { stream: { destroy(error: Error): void } };
    stream.destroy(new Error('given up')); // a broker that hangs does not answer a close either; with an error its heartbeats end, too
  }

  private async open(): Promise<void> {
    this.channel = await this.connection.createConfirmChannel();
    this.channel.on('error', (error) => this.fail(error));
    this.channel.on('close', () => this.fail(new Error('the channel was closed')));
    for (const kind of PUBLISHED_KINDS)
      await this.channel.assertExchange(exchangeOf(kind), 'topic', { durable: true, internal: false, autoDelete: false });
  }

  private publish({ exchange, routingKey, cc, content }: AmqpMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      const options = { persistent: true, contentType: 'application/json', contentEncoding: 'utf-8', CC: cc };
      this.channel?.publish(exchange, routingKey, content, options, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** The first is the reason, the others follow from it. */
  private fail(error: Error): void {
    this.failure ??= error;
  }
}

/** Not the URL itself: amqplib would read an encoded password as Latin-1. */
function addressOf(text: string) {
  const { protocol, hostname, port, username, password, pathname, searchParams } = new URL(text);
  const heartbeat = Number(searchParams.get('heartbeat')) || HEARTBEAT_SECONDS;
  return {
    protocol: protocol.slice(0, -1),
    hostname: hostname.replace(/^\[|\]$/g, ''),
    ...(port && { port: Number(port) }),
    ...((username || password) && { username: decodeURIComponent(username), password: decodeURIComponent(password) }),
    vhost: pathname.slice(1),
    heartbeat,
  };
}

/** Fails when `work` takes longer than `ms`, or than STOP_MS after the stop. */
async function within<T>(work: Promise<T>, ms: number, stop: AbortSignal, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let hurry = () => {};
  const late = new Promise<never>((_, reject) => {
    const wait = (left: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => reject(new Error(`${what} within ${left / 1000} s`)), left);
    };
    hurry = () => wait(Math.min(ms, STOP_MS));
    wait(ms);
    if (stop.aborted) hurry();
    stop.addEventListener('abort', hurry);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', hurry);
  }
}
