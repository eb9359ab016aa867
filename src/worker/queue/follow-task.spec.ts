import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { createLeaseholdClient } from '../../client/client.js';
import { endingOf, followTask } from './follow-task.js';

const RUN = { taskId: 'fN1SbArXTPSVFNUvaOlinQ', runId: 1 };
const status = (...runs: object[]) => JSON.stringify({ version: 1, status: { runs } });

it.each([
  [status({ state: 'exception', reasonResolved: 'claim-expired' }, { state: 'running' }), undefined],
  [status({ state: 'running' }), undefined],
  [status({}, { state: 'exception', reasonResolved: 'canceled' }), 'canceled'],
  [status({}, { state: 'completed' }), 'completed'],
])('%s ends the run by %s', (data, ending) => {
  expect(endingOf(data, RUN)).toBe(ending);
});

it('whatever else is told ends nothing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (data) => {
      expect(endingOf(data, RUN)).toBeUndefined();
    }),
  );
});

/** What comes of following where the questions are answered by these, one after the other, and how many were asked. */
async function followed(...answers: RequestListener[]) {
  let asked = 0;
  const server = createServer((request, response) => answers[Math.min(asked++, answers.length - 1)]!(request, response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = createLeaseholdClient({ rootUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  try {
    return { ending: await followTask(client, RUN, AbortSignal.timeout(10_000)), asked };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const refusal = (status: number, body: string) => (_: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(body);
const canceled = (_: IncomingMessage, response: ServerResponse) => {
  const data = status({}, { state: 'exception', reasonResolved: 'canceled' });
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write(`data: ${data}\n\n`);
};

it.each([400, 403, 404])('is over with %d where the queue says so, and goes on where anything else does', async (code) => {
  expect(await followed(refusal(code, '{"code":"No","message":"There are no events"}'), canceled)).toEqual({ asked: 1 });
  const proxy = [refusal(code, '<html>'), refusal(code, '{}'), refusal(code, '')];
  expect(await followed(proxy[code % 3]!, canceled)).toEqual({ asked: 2, ending: 'canceled' });
});

it('reads no more than so much of an error, and asks again', async () => {
  let taken = 0;
  const endless: RequestListener = (_, response) => {
    response.writeHead(500, { 'content-type': 'application/json' });
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(64 * 1024, 'x'))) taken++;
    };
    response.on('drain', more);
    more();
  };
  expect(await followed(endless, canceled)).toEqual({ asked: 2, ending: 'canceled' });
  expect(taken * 64).toBeLessThan(32 * 1024);
});
