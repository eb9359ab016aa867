import type { components } from '../../client/types.js';
import type { Run } from '../claims/seen-runs.js';
import type { Log } from '../log.js';
import { type Answer, ask, type How, type QueueClient } from '../queue/ask.js';
import { BackOff, pause } from '../queue/back-off.js';

const ANSWER_WITHIN = 30_000;

type Schemas = components['schemas'];
export type ExceptionReason = Schemas['TaskExceptionRequest']['reason'];

/** What the queue is told of a run. */
export type Report =
  | { what: 'signature'; body: Schemas['SignatureVerdict'] }
  | { what: 'completed' | 'failed' }
  | { what: 'exception'; body: Schemas['TaskExceptionRequest'] };

export interface Reporting {
  client: QueueClient;
  run: Run;
  /** Milliseconds for all tries. */
  within: number;
  /** Nobody wants to hear it any longer. */
  signal?: AbortSignal;
  log: Log;
}

/** Tells the queue, and tries again what may pass. Answers whether it was heard; what was refused, or not heard in time, is in the log. */
export async function reportRun(report: Report, { client, run, within, signal, log }: Reporting): Promise<boolean> {
  const until = performance.now() + within;
  const backOff = new BackOff();
  for (;;) {
    const left = Math.max(1, Math.min(ANSWER_WITHIN, until - performance.now()));
    const answer = await ask((how) => call(client, run, report, how), { within: left, signal });
    if (answer.status === 200) return true;
    const wait = backOff.next(answer.retryAfter);
    const isOver = signal?.aborted || performance.now() + wait >= until;
    if (isOver || isRefusal(answer)) {
      log.warn(`The queue was not told (${report.what})`, { why: answer.message });
      return false;
    }
    await pause(wait, signal);
  }
}

const isRefusal = ({ status, isQueues }: Answer) => isQueues && status >= 400 && status < 500 && status !== 408 && status !== 429;

function call(client: QueueClient, { taskId, runId }: Run, report: Report, how: How) {
  const params = { path: { taskId, runId: String(runId) } };
  if (report.what === 'signature') {
    const path = '/api/queue/v1/task/{taskId}/runs/{runId}/signature';
    return client.POST(path, { params, body: report.body, ...how });
  }
  if (report.what === 'exception') {
    const path = '/api/queue/v1/task/{taskId}/runs/{runId}/exception';
    return client.POST(path, { params, body: report.body, ...how });
  }
  if (report.what === 'completed') return client.POST('/api/queue/v1/task/{taskId}/runs/{runId}/completed', { params, ...how });
  return client.POST('/api/queue/v1/task/{taskId}/runs/{runId}/failed', { params, ...how });
}
