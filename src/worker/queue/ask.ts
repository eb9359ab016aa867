import type { Client } from 'openapi-fetch';
import type { paths } from '../../client/types.js';

export type QueueClient = Client<paths>;

/** Bytes of an answer. 32 claims of tasks of 1 MiB with their signatures are some 80 MiB. */
const MOST_BYTES = 96 * 1024 * 1024;

/** What became of a question. Of its body nothing is sure but that it was JSON. */
export interface Answer {
  /** 0: nobody answered in time, or nothing that can be read. */
  status: number;
  body: unknown;
  /** Of a refusal and of status 0, in a line. */
  message: string;
  /** Milliseconds for which the service asks us to wait. */
  retryAfter: number;
  /** Whether a refusal is in the words of a task queue, and not those of something in between that is for a moment without one. */
  isQueues: boolean;
  /** By performance.now(), when the question was asked, and when its answer began to be there. */
  asked: number;
  at: number;
  /** What the queue's clock said between the two, in unix milliseconds. */
  queueNow: number;
}

export interface Patience {
  /** Milliseconds. */
  within: number;
  /** Hangs up. */
  signal?: AbortSignal | undefined;
}

export interface How {
  signal: AbortSignal;
  fetch: (request: Request) => Promise<Response>;
}
type Call = (how: How) => Promise<{ data?: unknown; error?: unknown; response: Response }>;

/** Asks once, for so long and no longer, and reads so much and no more. Never rejects, whatever is answered. */
export async function ask(call: Call, { within, signal }: Patience): Promise<Answer> {
  const controller = new AbortController();
  const hangUp = () => controller.abort();
  signal?.addEventListener('abort', hangUp);
  if (signal?.aborted) hangUp();
  const timer = setTimeout(hangUp, within);
  const asked = performance.now();
  let at = asked;
  try {
    const begun = () => (at = performance.now());
    const { data, error, response } = await call({ signal: controller.signal, fetch: (request) => readWhole(request, MOST_BYTES, begun) });
    return { ...answerOf(response, response.ok ? data : error), asked, at };
  } catch (error) {
    const message = controller.signal.aborted ? `no answer within ${within / 1000} s` : reasonOf(error);
    return { status: 0, body: undefined, message, isQueues: false, retryAfter: 0, asked, at: performance.now(), queueNow: Date.now() };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', hangUp);
  }
}

/** As fetch, but no answer is longer than that. */
export async function readWhole(request: Request, most = MOST_BYTES, begun: () => void = () => undefined): Promise<Response> {
  const response = await fetch(request);
  begun();
  return bounded(response, most);
}

/** That answer, all of it read. Rejects where it is longer. */
export async function bounded(response: Response, most: number): Promise<Response> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > most) throw new Error(`the answer has more than ${most} bytes`);
    chunks.push(chunk);
  }
  const body = [204, 205, 304].includes(response.status) ? null : Buffer.concat(chunks);
  return new Response(body, { status: response.status, headers: response.headers });
}

function answerOf({ status, headers, ok }: Response, body: unknown): Omit<Answer, 'asked' | 'at'> {
  const [date, seconds] = [Date.parse(headers.get('date') ?? ''), Number(headers.get('retry-after') ?? 0)];
  return {
    status,
    body,
    message: ok ? '' : `${status}: ${messageIn(body) ?? 'something answered that is no task queue'}`,
    isQueues: ok || isQueuesWord(body),
    retryAfter: seconds > 0 ? seconds * 1000 : 0,
    queueNow: Number.isNaN(date) ? Date.now() : date,
  };
}

/** Whether an error is told as a task queue tells it. */
export const isQueuesWord = (body: unknown): boolean => messageIn(body) !== undefined;

/** The service's own words in a line: which scopes are missing is told below the first one. Nothing of what it repeats of the request. */
function messageIn(body: unknown): string | undefined {
  const { message } = (typeof body === 'object' && body !== null ? body : {}) as { message?: unknown };
  if (typeof message !== 'string') return undefined;
  return message
    .split(/\n+(?:Required:|---)\n/)[0]!
    .replace(/[\s`]+/g, ' ')
    .trim()
    .slice(0, 500);
}

/** What fetch throws says nothing; its cause does. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  const { code, message } = (cause ?? error) as { code?: string; message: string };
  if (error instanceof SyntaxError) return 'the answer is no JSON';
  return code ?? message;
}
