import { type EventMessage, messageOf } from './event-message.js';
import type { Position } from './position.js';
import { positionOf } from './read-page.js';
import type { EventRow } from './sql/read-events.js';

/** An event as streams send it: made into text once, however many follow. */
export interface FeedEvent extends Pick<EventMessage, 'kind' | 'taskId' | 'taskQueueId' | 'taskGroupId' | 'run'> {
  position: Position;
  data: string;
}

export interface FeedPage {
  events: FeedEvent[];
  /** Up to where this page goes; the next one begins there. */
  position: Position;
}

/** Of one page: a client that does not read holds one in memory. */
const PAGE_CHARACTERS = 256 * 1024;

export function eventOf(row: EventRow): FeedEvent {
  const { payload, kind, taskId, taskQueueId, taskGroupId, run } = messageOf(row);
  return { position: positionOf(row), kind, taskId, taskQueueId, taskGroupId, run, data: JSON.stringify(payload) } as FeedEvent;
}

/** As many events, from the first, as make up one page; at least one of any. */
export function cut(events: FeedEvent[]): FeedEvent[] {
  let characters = 0;
  const beyond = events.findIndex(({ data }, index) => {
    characters += data.length;
    return characters > PAGE_CHARACTERS && index > 0;
  });
  return beyond < 0 ? events : events.slice(0, beyond);
}
