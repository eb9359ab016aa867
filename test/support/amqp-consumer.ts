import { type ChannelModel, type ConsumeMessage, connect } from 'amqplib';
import { PUBLISHED_KINDS } from '../../src/service/events/event-message.js';
import { eventually } from './service-process.js';

const PREFIX = 'exchange/taskcluster-queue/v1/';

interface ReceivedMessage {
  /** The exchange, without what they all begin with. */
  kind: string;
  key: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect
  payload: any;
  text: string;
  properties: ConsumeMessage['properties'];
}

/** Somebody who listens, as strangers do: a durable queue, bound by a pattern to every exchange. */
export class AmqpConsumer {
  readonly messages: ReceivedMessage[] = [];
  private connection: ChannelModel | undefined;

  constructor(
    private readonly url: string,
    private readonly queue: string,
    private readonly pattern: string,
  ) {}

  /** Again after the broker was away: the queue has kept what came meanwhile. */
  async open(): Promise<this> {
    const connection = await connect(this.url);
    connection.on('error', () => undefined); // it is killed in the middle of everything
    this.connection = connection;
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await channel.assertQueue(this.queue, { durable: true });
    for (const kind of PUBLISHED_KINDS) {
      await channel.assertExchange(PREFIX + kind, 'topic', { durable: true });
      await channel.bindQueue(this.queue, PREFIX + kind, this.pattern);
    }
    await channel.consume(this.queue, (message) => {
      if (!message) return;
      this.messages.push(received(message));
      channel.ack(message);
    });
    return this;
  }

  async close(): Promise<void> {
    await this.connection?.close().catch(() => undefined);
  }

  /** Those that `wanted` chooses, once there are so many. */
  async next(count: number, wanted: (message: ReceivedMessage) => boolean = () => true, withinMs = 15_000): Promise<ReceivedMessage[]> {
    const chosen = () => this.messages.filter(wanted);
    await eventually(`${count} messages; there are ${chosen().length}`, () => chosen().length >= count, withinMs);
    return chosen();
  }
}

function received({ fields, content, properties }: ConsumeMessage): ReceivedMessage {
  if (!fields.exchange.startsWith(PREFIX)) throw new Error(`a message of ${fields.exchange}`);
  const text = content.toString();
  return { kind: fields.exchange.slice(PREFIX.length), key: fields.routingKey, payload: JSON.parse(text), text, properties };
}

/** Whether a message is of a task of these, or of a group of these. */
export function isOf(...ids: string[]): (message: ReceivedMessage) => boolean {
  return ({ payload }) => ids.includes(payload.status?.taskId ?? payload.taskGroupId);
}
