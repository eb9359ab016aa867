import type { IncomingMessage, ServerResponse } from 'node:http';
import { jest } from '@jest/globals';
import { ApiError } from '../http/api-error.js';
import { isOver } from '../http/when-over.js';
import { OpenStreams } from './open-streams.js';

class Response {
  writableNeedDrain = false;
  destroyed = false;
  readonly req = { socket: { destroyed: false } };

  destroy(): void {
    this.destroyed = true;
    isOver(this.req as unknown as IncomingMessage);
  }
}

const HOUR = 3_600_000;
let streams: OpenStreams;

beforeEach(() => {
  jest.useFakeTimers();
  streams = new OpenStreams();
});
afterEach(() => {
  streams.onModuleDestroy();
  jest.useRealTimers();
});

function admitted(account = 'a', until = Date.now() + HOUR): Response {
  const response = new Response();
  streams.admit(response as unknown as ServerResponse, account, until);
  return response;
}

function refusal(account: string): ApiError | undefined {
  try {
    admitted(account);
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}

it('ends the stream of a client that has read nothing for half a minute, and no other', () => {
  const [reading, stuck, slow] = [admitted(), admitted(), admitted()];
  stuck.writableNeedDrain = true;
  slow.writableNeedDrain = true;
  jest.advanceTimersByTime(20_000);
  slow.writableNeedDrain = false;
  jest.advanceTimersByTime(5_000);
  slow.writableNeedDrain = true;
  jest.advanceTimersByTime(15_000);
  expect([reading, stuck, slow].map(({ destroyed }) => destroyed)).toEqual([false, true, false]);
  jest.advanceTimersByTime(20_000);
  expect(slow.destroyed).toBe(true);
});

it('ends a stream whose time is over, if it has not ended by itself', () => {
  const over = admitted('a', Date.now() + 4_000);
  const open = admitted();
  jest.advanceTimersByTime(15_000);
  expect([over.destroyed, open.destroyed]).toEqual([true, false]);
});

it('serves 2 000 at once, of one client 1 000, and of callers without credentials 200', () => {
  const strangers = Array.from({ length: 200 }, () => admitted(''));
  expect(refusal('')).toMatchObject({ code: 'ServiceUnavailable', message: expect.stringContaining('200') });
  const known = Array.from({ length: 1_000 }, () => admitted('a'));
  expect(refusal('a')).toMatchObject({ code: 'ServiceUnavailable', message: expect.stringContaining('1000') });
  for (let n = 0; n < 800; n++) admitted('b');
  expect(refusal('c')).toMatchObject({ code: 'ServiceUnavailable', message: expect.stringContaining('2000') });
  strangers[0]?.destroy();
  expect(refusal('c')).toBeUndefined();
  known[0]?.destroy();
  expect(refusal('')).toBeUndefined();
  expect(refusal('')).toBeDefined();
});

it('does not hold up a service that stops', () => {
  const [reading, stuck] = [admitted(), admitted()];
  stuck.writableNeedDrain = true;
  streams.onModuleDestroy();
  expect([reading.destroyed, stuck.destroyed]).toEqual([false, true]);
  jest.advanceTimersByTime(2_000);
  expect(reading.destroyed).toBe(true);
});

it('keeps no place for who hung up before, nor for a stream behind another answer, which nobody tells that its connection is gone', () => {
  for (let n = 0; n < 1_000; n++) {
    const [gone, behind] = [new Response(), new Response()];
    gone.req.socket.destroyed = true;
    for (const response of [gone, behind]) streams.admit(response as unknown as ServerResponse, 'a', Date.now() + HOUR);
    isOver(behind.req as unknown as IncomingMessage); // as connections.ts says when a connection is gone
  }
  expect(refusal('a')).toBeUndefined();
});
