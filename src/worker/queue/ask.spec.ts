import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLeaseholdClient } from '../../client/client.js';
import { ask } from './ask.js';
import { leaseEnd } from './lease.js';

/** What is made of an answer to a reclaim. */
async function answerOf(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = createLeaseholdClient({ rootUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  const params = { path: { taskId: 'x', runId: '0' } };
  try {
    return await ask((how) => client.POST('/api/queue/v1/task/{taskId}/runs/{runId}/reclaim', { params, ...how }), { within: 10_000 });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

it('a lease ends no later for an answer that was long on the way', async () => {
  let truth = 0;
  const takenUntil = new Date(Date.now() + 10_000).toISOString();
  const answer = await answerOf(async (_, response) => {
    truth = performance.now() + Date.parse(takenUntil) - Date.now();
    response.writeHead(200, { 'content-type': 'application/json' }).write('{');
    await sleep(2_500);
    response.end(`"takenUntil":"${takenUntil}"}`);
  });
  expect(leaseEnd(takenUntil, answer)).toBeLessThanOrEqual(truth);
  expect(leaseEnd(takenUntil, { ...answer, at: answer.asked })).toBeLessThanOrEqual(truth);
});

it.each([
  ['<html>not found</html>', false],
  ['{"code":"ResourceNotFound","message":"There is no such task"}', true],
])('404 with %s is the word of a task queue: %s', async (body, isQueues) => {
  const answer = await answerOf((_, response) => response.writeHead(404, { 'content-type': 'application/json' }).end(body));
  expect([answer.status, answer.isQueues]).toEqual([404, isQueues]);
});
