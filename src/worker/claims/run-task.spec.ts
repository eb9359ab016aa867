import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redactor } from '../artifacts/redactor.js';
import { type Entry, logTo } from '../log.js';
import { Progress } from '../progress.js';
import type { RunSetting } from '../runs/run-setting.js';
import { runTask } from './run-task.js';

const workDir = mkdtempSync(path.join(tmpdir(), 'leasehold-run-task-'));
afterAll(() => rmSync(workDir, { recursive: true }));

const ENDED = { status: { runs: [{ state: 'exception', reasonResolved: 'malformed-payload' }] } };

/** What is logged of a run that ends as malformed-payload, where the queue answers that with this status, and tells of it before that. */
async function loggedOf(answer: number): Promise<Entry[]> {
  const following: ServerResponse[] = [];
  const server = createServer(async (request, response) => {
    if (request.url?.includes('/events')) {
      following.push(response.writeHead(200, { 'content-type': 'text/event-stream' }));
      return response.flushHeaders();
    }
    while (following.length === 0) await sleep(5);
    if (request.url?.endsWith('/exception')) {
      for (const one of following) one.write(`event: task-exception\ndata: ${JSON.stringify(ENDED)}\n\n`);
      await sleep(100);
    }
    const status = request.url?.endsWith('/exception') ? answer : request.url?.endsWith('/signature') ? 200 : 404;
    response.writeHead(status, { 'content-type': 'application/json' }).end('{"message":"The queue says so"}');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const entries: Entry[] = [];
  const setting = {
    config: { rootUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, workDir, isolation: 'none', log: { maxBytes: 1000 } },
    terms: () => ({ policy: 'off', taskQueueId: 'builds/linux', seen: { begin: () => true } }),
    ...{ redactor: new Redactor([]), progress: new Progress(undefined, 1), log: logTo((entry) => entries.push(entry)) },
    ...{ keepers: new Set(), hurry: new AbortController().signal },
  };
  const hour = new Date(Date.now() + 3_600_000).toISOString();
  const claim = {
    ...{ status: { taskId: 'fN1SbArXTPSVFNUvaOlinQ' }, runId: 0, takenUntil: hour },
    task: { payload: {}, deadline: hour, expires: hour },
    credentials: { clientId: 'run', accessToken: 'token-of-the-run' },
  };
  const offer = { claim, taskQueueId: 'builds/linux', answer: { at: performance.now(), queueNow: Date.now() } };
  try {
    await runTask(offer, () => undefined, setting as unknown as RunSetting);
    return entries;
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

it.each([
  [200, 'malformed-payload', 0],
  [409, 'nothing', 1],
])('what the queue answers with %d to is told as reported: %s', async (status, reported, warnings) => {
  const entries = await loggedOf(status);
  expect(entries.filter(({ msg }) => msg === 'A run has ended')).toMatchObject([{ reported }]);
  expect(entries.filter(({ msg }) => msg === 'The queue was not told (exception)')).toHaveLength(warnings);
});
