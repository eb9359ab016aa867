import { jest } from '@jest/globals';
import { BATCH, Housekeeper, type Left, leftAfter } from './housekeeper.js';

const warn = jest.fn<(entry: object, message?: string) => void>();
let housekeeper: Housekeeper;

beforeEach(() => {
  jest.useFakeTimers();
  warn.mockClear();
  housekeeper = new Housekeeper({ warn }, 2);
});
afterEach(async () => {
  await housekeeper.onModuleDestroy();
  jest.useRealTimers();
});

const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);

/** A job that tells when its batches began; `answer` may throw or wait. */
function job(name: string, every: number, answer: (batch: number) => Left | Promise<Left> = () => 'done'): number[] {
  const began: number[] = [];
  housekeeper.register({
    name,
    every,
    batch: async () => {
      began.push(performance.now());
      return answer(began.length);
    },
  });
  return began;
}

it('does each job at its own pace, with some jitter', async () => {
  const [fast, slow] = [job('fast', 2), job('slow', 20)];
  await seconds(10);
  expect([fast, slow]).toEqual([[], []]); // nothing before the service is up
  housekeeper.onApplicationBootstrap();
  await seconds(200);
  expect(fast.length).toBeGreaterThanOrEqual(80);
  expect(fast.length).toBeLessThanOrEqual(134);
  expect(slow.length).toBeGreaterThanOrEqual(8);
  expect(slow.length).toBeLessThanOrEqual(14);
  const pauses = fast.slice(1).map((at, index) => at - (fast[index] ?? 0));
  expect(Math.max(...pauses) - Math.min(...pauses)).toBeGreaterThan(100);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(2_502);
});

it('does a rare job soon after the start, too, and one that is registered later', async () => {
  const rare = job('rare', 86_400);
  housekeeper.onApplicationBootstrap();
  await seconds(5);
  const late = job('late', 2);
  await seconds(21);
  expect(rare).toHaveLength(1);
  expect(late.length).toBeGreaterThanOrEqual(7);
});

it('goes on at once while there is more, but takes a breath when there always is', async () => {
  const [some, endless] = [job('some', 600, (batch) => (batch < 4 ? 'more' : 'done')), job('endless', 600, () => 'more')];
  housekeeper.onApplicationBootstrap();
  await seconds(26);
  expect(some).toHaveLength(4);
  expect(new Set(some).size).toBe(1);
  const at = endless[0] ?? 0;
  expect(endless.filter((time) => time < at + 900)).toHaveLength(50);
  expect(endless.filter((time) => time < at + 1_900)).toHaveLength(100);
});

it('lets no job meet itself, and none wait for another', async () => {
  let release = (_: Left) => {};
  const stuck = job('stuck', 2, () => new Promise((done) => (release = done)));
  const free = job('free', 2);
  housekeeper.onApplicationBootstrap();
  await seconds(60);
  expect(stuck).toHaveLength(1);
  expect(free.length).toBeGreaterThanOrEqual(23);
  release('done');
  await seconds(3);
  expect(stuck).toHaveLength(2);
  release('done');
});

it('logs what fails, and tries it again within half a minute', async () => {
  const failing = job('failing', 600, (batch) => {
    if (batch < 3) throw new Error('no database');
    return 'done';
  });
  const other = job('other', 2);
  housekeeper.onApplicationBootstrap();
  await seconds(101);
  expect(failing).toHaveLength(3);
  expect(warn.mock.calls).toEqual(Array(2).fill([{ err: new Error('no database'), job: 'failing' }, 'failing failed; it is tried again']));
  expect(other.length).toBeGreaterThanOrEqual(40);
});

it('waits at the end for the batch under way, and begins no other', async () => {
  let release = (_: Left) => {};
  const long = job('long', 2, () => new Promise((done) => (release = done)));
  const short = job('short', 2);
  housekeeper.onApplicationBootstrap();
  await seconds(3);
  let stopped = false;
  const stopping = housekeeper.onModuleDestroy().then(() => {
    stopped = true;
  });
  const before = short.length;
  await seconds(60);
  expect([stopped, short.length]).toEqual([false, before]);
  release('more');
  await stopping;
  await seconds(60);
  expect([long.length, short.length]).toEqual([1, before]);
  expect(jest.getTimerCount()).toBe(0);
});

it('takes a full batch for a sign that there is more', () => {
  expect([0, BATCH - 1, BATCH, BATCH + 1].map((found) => leftAfter(found))).toEqual(['done', 'done', 'more', 'more']);
});
