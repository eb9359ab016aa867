import { jest } from '@jest/globals';
import { LateWriter, type LateWriting } from './late-writer.js';

const warn = jest.fn<(entry: object, message?: string) => void>();
let written: string[][];

beforeEach(() => {
  jest.useFakeTimers();
  warn.mockClear();
  written = [];
});
afterEach(() => jest.useRealTimers());

const write = async (items: string[]) => {
  written.push(items);
};
const writer = (more: Partial<LateWriting<string>> = {}) =>
  new LateWriter({ what: 'things', most: 3, everyMs: 1_000, write, ...more }, { warn });
const elapse = (ms: number) => jest.advanceTimersByTimeAsync(ms);

it('writes what comes within the time at once, in order, and nothing where nothing came', async () => {
  const late = writer();
  late.add('a');
  await elapse(999);
  late.add('b');
  expect(written).toEqual([]);
  await elapse(1);
  late.add('c');
  await elapse(1_000);
  await elapse(10_000);
  expect(written).toEqual([['a', 'b'], ['c']]);
  await late.flush();
  expect(written).toHaveLength(2);
});

it('has no room beyond its bound, and tells once how much was lost', async () => {
  const late = writer();
  expect(['a', 'b', 'c', 'd', 'e'].map((one) => late.add(one))).toEqual([true, true, true, false, false]);
  await late.flush();
  expect(late.add('f')).toBe(true);
  await late.flush();
  expect(written).toEqual([['a', 'b', 'c'], ['f']]);
  expect(warn.mock.calls).toEqual([[{ lost: 2 }, expect.stringContaining('things')]]);
});

it('writes one batch after the other; what comes meanwhile waits, within the bound', async () => {
  let end: () => void = () => undefined;
  const late = writer({
    write: (items) => {
      written.push(items);
      return new Promise((done) => {
        end = done;
      });
    },
  });
  late.add('a');
  await elapse(1_000);
  for (const one of ['b', 'c', 'd', 'e']) late.add(one);
  const flushed = late.flush();
  await elapse(60_000);
  expect(written).toEqual([['a']]);
  end();
  await elapse(0);
  expect(written).toEqual([['a'], ['b', 'c', 'd']]);
  end();
  await flushed;
  expect(late.add('e')).toBe(true);
});

it('tells what could not be written, which may be added again, and goes on', async () => {
  const again: string[][] = [];
  const late: LateWriter<string> = writer({
    write: (items) => (again.length > 0 ? write(items) : Promise.reject(new Error('away'))),
    failed: (items) => {
      again.push(items);
      late.add('again');
    },
  });
  late.add('a');
  await elapse(1_000);
  expect(again).toEqual([['a']]);
  expect(warn.mock.calls).toEqual([[{ err: expect.objectContaining({ message: 'away' }), items: 1 }, expect.stringContaining('things')]]);
  await elapse(1_000);
  expect(written).toEqual([['again']]);
});

it('writes at the end what waits, and then takes nothing', async () => {
  const late = writer();
  late.add('a');
  await late.close();
  expect(late.add('b')).toBe(false);
  await elapse(10_000);
  expect(written).toEqual([['a']]);
  expect(jest.getTimerCount()).toBe(0);
});
