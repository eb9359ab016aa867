import { createHash } from 'node:crypto';
import type { Definition } from '../../src/signatures/task-payload.js';
import type { LeftBytes, RunFacts } from '../../src/worker/receipt/run-facts.js';
import { WORKER } from './tasks.js';

/** What a worker knows of bytes that it uploads. */
export function leftBytes(name: string, content: string): LeftBytes {
  return { name, sha256: createHash('sha256').update(content).digest('hex'), bytes: Buffer.byteLength(content) };
}

/** What a worker knows of a run that went well, just now, with one step. */
export function runFacts(taskId: string, definition: Definition, more: Partial<RunFacts> = {}): RunFacts {
  const now = new Date().toISOString();
  const step = {
    name: 'make',
    reason: 'Completed',
    exitCode: 0,
    startedAt: now,
    finishedAt: now,
    network: 'none',
    workspace: 'rw',
  } as const;
  return {
    taskId,
    runId: 0,
    taskQueueId: String(definition.taskQueueId),
    definition,
    verdict: { verdict: 'unchecked' },
    worker: { group: WORKER.workerGroup, id: WORKER.workerId, version: '0.1.0' },
    isolation: 'bubblewrap',
    startedAt: now,
    finishedAt: now,
    outcome: {
      outcome: 'succeeded',
      steps: [{ ...step, results: { version: '1.0' }, missing: {}, output: { bytes: 4, dropped: 0 } }],
      results: { version: { step: 'make', value: '1.0' } },
    },
    artifacts: [],
    log: { ...leftBytes('public/logs/live.log', ''), dropped: 0 },
    scopes: { asked: definition.scopes as string[] },
    ...more,
  };
}
