import { type Answer, type Api, definition, type RequestOptions, slugid } from './api.js';
import type { TestDatabase } from './database.js';

export const WORKER = { workerGroup: 'group', workerId: 'worker' };

/** The answer's body; fails unless the answer is 200. */
export async function ok(answer: Promise<Answer>): Promise<Answer['body']> {
  const { status, body } = await answer;
  if (status !== 200) throw new Error(`answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

/** The message of a refusal; fails unless the answer has this status. */
export async function refused(answer: Promise<Answer>, expected: number): Promise<string> {
  const { status, body } = await answer;
  if (status !== expected) throw new Error(`expected ${expected}, answered ${status}: ${JSON.stringify(body)}`);
  return body.message;
}

/** Does a job of the housekeeper until nothing is left of it. */
export async function untilDone(batch: () => Promise<'done' | 'more'>): Promise<void> {
  while ((await batch()) === 'more');
}

/** Tasks through the API, and time moved in the data behind it. */
export class Tasks {
  constructor(
    private readonly api: Api,
    private readonly database: TestDatabase,
  ) {}

  async create(overrides: Record<string, unknown> = {}, taskId = slugid()): Promise<string> {
    await ok(this.put(taskId, definition(overrides)));
    return taskId;
  }

  put(taskId: string, body: unknown, options?: RequestOptions): Promise<Answer> {
    return this.api.put(`/queue/v1/task/${taskId}`, body, options);
  }

  async status(taskId: string): Promise<Answer['body']> {
    return (await ok(this.api.get(`/queue/v1/task/${taskId}/status`))).status;
  }

  async state(taskId: string): Promise<string> {
    return (await this.status(taskId)).state;
  }

  steer(verb: 'schedule' | 'cancel' | 'rerun', taskId: string, options?: RequestOptions): Promise<Answer> {
    return this.api.post(`/queue/v1/task/${taskId}/${verb}`, undefined, options);
  }

  claimTask(taskId: string, runId = 0, worker: object = WORKER, options?: RequestOptions): Promise<Answer> {
    return this.api.post(`/queue/v1/task/${taskId}/runs/${runId}/claim`, worker, options);
  }

  claimWork(taskQueueId: string, tasks = 1, worker: object = WORKER, headers: Record<string, string> = {}): Promise<Answer> {
    return this.api.post(`/queue/v1/claim-work/${encodeURIComponent(taskQueueId)}`, { ...worker, tasks }, { headers });
  }

  reclaim(taskId: string, runId = 0): Promise<Answer> {
    return this.api.post(`/queue/v1/task/${taskId}/runs/${runId}/reclaim`);
  }

  /** `outcome`: completed, failed, or the reason of an exception. */
  report(outcome: string, taskId: string, runId = 0): Promise<Answer> {
    const run = `/queue/v1/task/${taskId}/runs/${runId}`;
    if (outcome === 'completed' || outcome === 'failed') return this.api.post(`${run}/${outcome}`);
    const why = outcome === 'signature-invalid' ? { signature: { code: 'signature-expired' } } : {};
    return this.api.post(`${run}/exception`, { reason: outcome, ...why });
  }

  /** Claims run `runId` and ends it so. */
  async run(outcome: string, taskId: string, runId = 0): Promise<void> {
    await ok(this.claimTask(taskId, runId));
    await ok(this.report(outcome, taskId, runId));
  }

  /** Changes the row behind the API's back, for example to move time. */
  async alter(taskId: string, assignments: string): Promise<void> {
    const { rowCount } = await this.database.pool.query(`update task set ${assignments} where task_id = $1`, [taskId]);
    if (rowCount !== 1) throw new Error(`task ${taskId} has no row`);
  }

  /** The lease ran out a second ago. */
  lapse(taskId: string): Promise<void> {
    return this.alter(taskId, `taken_until = now() - interval '1 second', due = now() - interval '1 second'`);
  }

  /** The deadline and its delay are over. */
  overdue(taskId: string): Promise<void> {
    return this.alter(taskId, `deadline = now() - interval '2 minutes', due = now() - interval '1 minute'`);
  }

  /** The deadline is over, its delay is not. */
  pastDeadline(taskId: string): Promise<void> {
    return this.alter(taskId, `deadline = now() - interval '1 second'`);
  }

  /** How many rows each table of the queue has. */
  async rowCounts(): Promise<Record<string, number>> {
    const tables = ['task', 'task_definition', 'past_run', 'task_dependency', 'task_group'];
    const counts = tables.map((table) => `(select count(*)::integer from ${table}) as ${table}`);
    return (await this.database.pool.query(`select ${counts.join(', ')}`)).rows[0];
  }
}
