import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Api } from './api.js';
import { assertEvent } from './contract.js';

export interface ReceivedEvent {
  id: string | undefined;
  kind: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect
  data: any;
}

export function eventsPath(query: Record<string, string>): string {
  const text = new URLSearchParams(query).toString();
  return `/queue/v1/events${text && `?${text}`}`;
}

/** A client of the event stream that keeps what it got, and holds it against openapi.yaml. */
export class EventReader {
  readonly events: ReceivedEvent[] = [];
  /** As a client would send it on reconnecting. */
  lastEventId: string | undefined;
  ended = false;
  /** What first was not as openapi.yaml has it: whoever waits or closes next is told. */
  private broken: Error | undefined;
  private text = '';
  private wake: () => void = () => undefined;

  private constructor(private readonly answer: IncomingMessage) {
    answer.setEncoding('utf8');
    answer.on('data', (chunk: string) => this.take(chunk));
    answer.on('close', () => {
      this.ended = true;
      this.wake();
    });
    answer.on('error', () => undefined);
  }

  /** Fails unless the stream begins. */
  static async open(api: Api, query: Record<string, string> = {}, lastEventId?: string): Promise<EventReader> {
    const resource = `/api${eventsPath(query)}`;
    const authorization = api.authorizationFor('get', resource);
    const headers = {
      ...(authorization === undefined ? {} : { authorization }),
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    };
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      httpRequest(`${api.url}${resource}`, { headers, agent: false }, resolve).on('error', reject).end();
    });
    if (answer.statusCode !== 200) throw new Error(`the stream answered ${answer.statusCode}`);
    const reader = new EventReader(answer);
    await reader.until(() => reader.lastEventId !== undefined);
    return reader;
  }

  /** Waits for something, at most ten seconds. */
  async until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + 10_000;
    for (;;) {
      this.assertSound();
      if (condition()) return;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`nothing of the kind came; there were: ${this.kinds().join(' ') || 'none'}`);
      await new Promise<void>((done) => {
        const timer = setTimeout(done, left);
        this.wake = () => {
          clearTimeout(timer);
          done();
        };
      });
    }
  }

  /** The events, once there are so many. */
  async next(count: number): Promise<ReceivedEvent[]> {
    await this.until(() => this.events.length >= count || this.ended);
    return this.events;
  }

  kinds(): string[] {
    return this.events.map(({ kind }) => kind);
  }

  /** Fails if what nobody waited for was not as openapi.yaml has it. */
  close(): void {
    this.answer.destroy();
    this.assertSound();
  }

  private assertSound(): void {
    const { broken } = this;
    this.broken = undefined;
    if (broken) throw broken;
  }

  private take(chunk: string): void {
    const blocks = (this.text + chunk).split('\n\n');
    this.text = blocks.pop() as string;
    for (const block of blocks) this.receive(block);
    this.wake();
  }

  private receive(block: string): void {
    const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]));
    this.lastEventId = fields.get('id') ?? this.lastEventId;
    const data = fields.get('data');
    if (data === undefined) return;
    const event = { id: fields.get('id'), kind: fields.get('event') ?? 'message', data: JSON.parse(data) };
    this.events.push(event);
    try {
      assertEvent(event.kind, event.data);
    } catch (error) {
      this.broken ??= error as Error;
    }
  }
}
