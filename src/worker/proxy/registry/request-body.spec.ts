import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from '@jest/globals';
import type { Call } from '../pass-on.js';
import { held } from './request-body.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const PIECES = 40_000;
/** Bytes. All that many pieces, kept one by one, take some 4 MB. */
const MOST_KEPT = 1_600_000;

function heapUsed(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

it('a manifest that comes byte by byte takes no more than its bytes', async () => {
  const request = new IncomingMessage(new Socket());
  let [sent, used] = [0, 0];
  const before = heapUsed();
  request._read = () => {
    setImmediate(() => {
      if (sent === PIECES) used = heapUsed() - before;
      request.push(sent++ < PIECES ? Buffer.from(sent % 2 === 0 ? 'a' : 'b') : null);
    });
  };
  const body = await held({ request } as Call);
  expect(body.toString()).toBe('ba'.repeat(PIECES / 2));
  expect(used).toBeLessThan(MOST_KEPT);
});
