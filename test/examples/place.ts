import { setTimeout as sleep } from 'node:timers/promises';
import { createLeaseholdClient } from '../../src/client/client.js';

const DONE_WITHIN_MS = 60_000;

/** The service that the demo uses, and as whom. */
export interface Place {
  rootUrl: string;
  audience: string;
  creator: Credentials;
  worker: Credentials;
  taskQueueId: string;
  /** Of the worker. */
  identity: { workerGroup: string; workerId: string };
}
export interface Credentials {
  clientId: string;
  accessToken: string;
}
/** Prints a title, and facts below it. */
export type Say = (title: string, facts?: Record<string, unknown>) => void;

export const artifactOf = ({ rootUrl }: Place, taskId: string, name: string) =>
  `${rootUrl}/api/queue/v1/task/${taskId}/runs/0/artifacts/${name}`;

/** The state of a task that is over. */
export async function resolved({ rootUrl, creator }: Place, taskId: string): Promise<string> {
  const client = createLeaseholdClient({ rootUrl, credentials: () => creator });
  const until = Date.now() + DONE_WITHIN_MS;
  for (;;) {
    const { data } = await client.GET('/api/queue/v1/task/{taskId}/status', { params: { path: { taskId } } });
    const state = data?.status.state;
    if (state !== undefined && !['unscheduled', 'pending', 'running'].includes(state)) return state;
    if (Date.now() > until) throw new Error(`the task is still ${state} after ${DONE_WITHIN_MS / 1000} s`);
    await sleep(200);
  }
}
