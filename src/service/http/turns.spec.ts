import { jest } from '@jest/globals';
import { Turns } from './turns.js';

const ROOM = { all: 4, client: 3, strangers: 1 };
const settled = () => new Promise<void>((done) => setImmediate(done));

function held() {
  let end!: () => void;
  const promise = new Promise<void>((done) => {
    end = done;
  });
  return { promise, end };
}

it('does a few at once, the others in the order they came, each once', async () => {
  const turns = new Turns('things', 2, ROOM);
  const pieces = [held(), held(), held(), held(), held()];
  const begun: number[] = [];
  const all = pieces.map(({ promise }, index) =>
    turns.take('a', async () => {
      begun.push(index);
      await promise;
      if (index === 2) throw new Error('broken'); // and its turn goes on
      return index;
    }),
  );
  const outcomes = Promise.allSettled(all);
  await settled();
  expect(begun).toEqual([0, 1]);
  for (const [ended, now] of [
    [1, 2],
    [2, 3],
    [3, 4],
  ] as const) {
    pieces[ended]?.end();
    await settled();
    expect(begun.at(-1)).toBe(now);
  }
  for (const { end } of pieces) end();
  expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  await turns.take('a', async () => undefined);
});

it('lets a few wait, and of one caller not all', async () => {
  const turns = new Turns('things', 1, ROOM);
  const first = held();
  const done = [turns.take('a', () => first.promise)];
  for (const account of ['a', 'a', 'a']) done.push(turns.take(account, async () => undefined));
  await expect(turns.take('a', async () => undefined)).rejects.toMatchObject({
    code: 'ServiceUnavailable',
    message: expect.stringContaining('3 things that wait of one client'),
  });
  done.push(turns.take('', async () => undefined));
  await expect(turns.take('b', async () => undefined)).rejects.toMatchObject({ message: expect.stringContaining('4 things that wait') });
  first.end();
  await Promise.all(done);
});

it('lets nobody wait for longer than ten seconds, and loses no turn by that', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
  try {
    const turns = new Turns('things', 1, ROOM);
    const first = held();
    const doing = turns.take('a', () => first.promise);
    const late = turns.take('a', async () => 'late').catch((error) => error);
    jest.advanceTimersByTime(10_000);
    expect(await late).toMatchObject({ code: 'ServiceUnavailable', message: expect.stringContaining('10 s') });
    first.end();
    await doing;
    expect(await turns.take('a', async () => 'next')).toBe('next');
  } finally {
    jest.useRealTimers();
  }
});
