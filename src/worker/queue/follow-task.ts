import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { Run } from '../claims/seen-runs.js';
import { bounded, isQueuesWord, type QueueClient } from './ask.js';
import { BackOff, pause } from './back-off.js';

/** The service writes every 15 s, whether there is anything to tell or not. */
const SILENT_FOR = 60_000;
const ENDINGS = 'task-completed,task-failed,task-exception';

/** Of one event. The status of a task of a thousand runs is some 300 kB. */
const MOST_BYTES = 4 * 1024 * 1024;
/** Of an answer that is no stream of events. */
const LONGEST_ERROR = 1024 * 1024;

/**
 * Waits until the queue tells that a run is over, and answers why (`canceled`, `deadline-exceeded`, …). Answers undefined where nobody is to
 * be told: the signal came, or the service has no such events. Then it is the next reclaim that tells. Never rejects.
 */
export async function followTask(client: QueueClient, run: Run, signal: AbortSignal): Promise<string | undefined> {
  const backOff = new BackOff();
  const place: { last?: string } = {};
  while (!signal.aborted) {
    const told = await followOnce(client, run, place, signal).catch(() => undefined);
    if (told === 'none') return undefined;
    if (told?.ending !== undefined) return told.ending;
    if (told?.began) backOff.reset();
    await pause(backOff.next(), signal);
  }
  return undefined;
}

interface Told {
  began: boolean;
  ending: string | undefined;
}

async function followOnce(client: QueueClient, run: Run, place: { last?: string }, signal: AbortSignal): Promise<Told | 'none'> {
  const controller = new AbortController();
  const hangUp = () => controller.abort();
  signal.addEventListener('abort', hangUp);
  const timer = setTimeout(hangUp, SILENT_FOR);
  try {
    const { data, error, response } = await client.GET('/api/queue/v1/events', {
      params: {
        query: { taskId: run.taskId, kind: ENDINGS },
        header: place.last === undefined ? {} : { 'last-event-id': place.last },
      },
      parseAs: 'stream',
      signal: controller.signal,
      fetch: streamed,
    });
    if (!response.ok || !data) return isFinal(response.status, error) ? 'none' : { began: false, ending: undefined };
    return { began: true, ending: await endingIn(data as ReadableStream<Uint8Array>, run, place, () => timer.refresh()) };
  } finally {
    clearTimeout(timer);
    controller.abort();
    signal.removeEventListener('abort', hangUp);
  }
}

/** The client reads all of an error, however long that is. */
async function streamed(request: Request): Promise<Response> {
  const response = await fetch(request);
  return response.ok ? response : bounded(response, LONGEST_ERROR);
}

/** The queue says that there are no such events, or none for us; and not something in between that is for a moment without a queue. */
const isFinal = (status: number, error: unknown) => [400, 403, 404].includes(status) && isQueuesWord(error);

async function endingIn(
  stream: ReadableStream<Uint8Array>,
  run: Run,
  place: { last?: string },
  alive: () => void,
): Promise<string | undefined> {
  const endings: string[] = [];
  const onEvent = (event: EventSourceMessage) => {
    if (event.id) place.last = event.id;
    const ending = endingOf(event.data, run);
    if (ending !== undefined) endings.push(ending);
  };
  const parser = createParser({ onEvent, maxBufferSize: MOST_BYTES });
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    alive();
    parser.feed(decoder.decode(chunk, { stream: true }));
    if (endings.length > 0) return endings[0];
  }
  return undefined;
}

/** Of a run that is not running any longer, by a status or an event: why, or what it became. */
export function endingOf(data: string, { runId }: Run): string | undefined {
  try {
    const { state, reasonResolved } = JSON.parse(data).status.runs[runId];
    if (state === 'running' || typeof state !== 'string') return undefined;
    return typeof reasonResolved === 'string' ? reasonResolved : state;
  } catch {
    return undefined;
  }
}
