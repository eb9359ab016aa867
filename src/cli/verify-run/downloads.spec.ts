import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { digested, NotThere, wholeText } from './downloads.js';

/** That question about where this is served. */
async function asking<T>(listener: RequestListener, ask: (download: { url: string }) => Promise<T>): Promise<T> {
  const server = createServer(listener);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    return await ask({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** So many bytes at a time, a hundred times a second at most. */
const trickle =
  (atOnce: number, times: number): RequestListener =>
  async (_, response) => {
    response.writeHead(200);
    for (let sent = 0; sent < times && !response.destroyed; sent++) {
      response.write('x'.repeat(atOnce));
      await sleep(10);
    }
    response.end();
  };

it.each<[string, RequestListener]>([
  ['a byte now and then', trickle(1, 500)],
  ['no byte', (_, response) => response.writeHead(200).flushHeaders()],
  ['no answer', () => undefined],
])('of which %s comes is given up', async (_, listener) => {
  const slowest = { bytes: 1000, within: 100 };
  for (const ask of [digested, wholeText]) {
    const error = await asking(listener, (download) => ask(download, 10_000, slowest).catch((thrown) => thrown));
    expect(error).toBeInstanceOf(NotThere);
    expect(error.message).toBe('cannot be downloaded (fewer than 1000 bytes came in 0.1 s)');
  }
});

it('what is slow, but not that slow, is had; and so is what is short', async () => {
  // twenty times what it is held to, and for longer than it is looked at: others at work on this machine may stop it for most of that
  const slow = await asking(trickle(1000, 120), (download) => wholeText(download, 200_000, { bytes: 500, within: 1000 }));
  expect(slow).toHaveLength(120_000);
  expect(await asking(trickle(1, 1), (download) => wholeText(download, 10))).toBe('x');
});
