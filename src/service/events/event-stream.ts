import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { FindTask } from '../queue/find-task.service.js';
import { statusOf } from '../queue/task-status.js';
import { EventFeed, type Lane } from './event-feed.js';
import type { EventKind } from './event-message.js';
import type { FeedEvent } from './feed-event.js';
import { formatPosition, type Position } from './position.js';

/** What a stream is to hold; absent: everything. */
export interface EventFilter {
  taskId?: string | undefined;
  taskGroupId?: string | undefined;
  taskQueueId?: string | undefined;
  kinds: ReadonlySet<EventKind>;
}

export interface StreamRequest {
  filter: EventFilter;
  /** The position its client has come to; undefined: from now on. */
  since: Position | undefined;
  /** The run whose credentials the client holds: the stream ends with it. */
  run: { taskId: string; runId: number } | undefined;
  lane: Lane;
  /** Unix milliseconds: nobody follows for longer without being looked at again. */
  until: number;
  hungUp: AbortSignal;
}

const KEEPALIVE_MS = 15_000; // proxies give up on a silent connection after 30 s or 60 s
const AFTER_FAILURE_MS = 1_000;
const RETRY_MS = 1_000;

/** Server-sent events (WHATWG HTML, 9.2): what `data` says is what the wire protocol's message of that kind says. */
@Injectable()
export class EventStream {
  constructor(
    private readonly feed: EventFeed,
    private readonly tasks: FindTask,
  ) {}

  /** The text of the stream, piece by piece, as fast as it is read; at least once, in order. */
  async *follow({ filter, since, run, lane, until, hungUp }: StreamRequest): AsyncGenerator<string> {
    let position = await this.feed.join();
    try {
      const lost = since !== undefined && (await this.feed.hasForgotten(since));
      if (since && since.tx < position.tx) position = since;
      yield `retry: ${RETRY_MS}\nid: ${formatPosition(position)}\n\n`;
      if (lost) yield frame('events-lost', {});
      const over = run !== undefined && !(await this.isRunning(run)); // before the status is told, which then shows the end
      if (filter.taskId !== undefined) {
        const task = await this.tasks.find(filter.taskId); // what changed before the first event would otherwise never be told
        // of another group or queue it is none of this stream's, whose caller may hold the scope of that filter alone
        if (task && isNamed(task, filter)) yield frame('task-status', { version: 1, status: statusOf(task) });
      }
      if (over) return;
      while (!hungUp.aborted && !this.feed.isClosed && Date.now() < until) {
        const wait = Math.min(KEEPALIVE_MS, until - Date.now());
        const page = await this.feed.after(position, lane, wait, hungUp).catch(() => undefined);
        if (!page) {
          await sleep(AFTER_FAILURE_MS); // the database is away
          continue;
        }
        position = page.position;
        const wanted = page.events.filter((event) => isWanted(event, filter));
        for (const event of wanted) yield eventFrame(event);
        if (wanted.length === 0) yield `id: ${formatPosition(position)}\n\n`; // keeps the connection and moves the client on
        if (page.events.some((event) => endsRun(event, run))) return;
      }
    } finally {
      this.feed.leave();
    }
  }

  private async isRunning({ taskId, runId }: { taskId: string; runId: number }): Promise<boolean> {
    const task = await this.tasks.find(taskId);
    return task?.runId === runId && task.state === 'running';
  }
}

function isWanted(event: FeedEvent, filter: EventFilter): boolean {
  return filter.kinds.has(event.kind) && isNamed(event, filter);
}

type Place = Pick<FeedEvent, 'taskId' | 'taskGroupId' | 'taskQueueId'>;

function isNamed({ taskId, taskGroupId, taskQueueId }: Place, filter: EventFilter): boolean {
  return (
    (filter.taskId === undefined || filter.taskId === taskId) &&
    (filter.taskGroupId === undefined || filter.taskGroupId === taskGroupId) &&
    (filter.taskQueueId === undefined || filter.taskQueueId === taskQueueId)
  );
}

function endsRun({ taskId, run: ended }: FeedEvent, run: StreamRequest['run']): boolean {
  return run !== undefined && taskId === run.taskId && ended?.runId === run.runId && ended.resolved !== undefined;
}

function eventFrame({ position, kind, data }: FeedEvent): string {
  return `id: ${formatPosition(position)}\nevent: ${kind}\ndata: ${data}\n\n`;
}

function frame(kind: string, payload: object): string {
  return `event: ${kind}\ndata: ${JSON.stringify(payload)}\n\n`;
}
