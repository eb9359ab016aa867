import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { encodeStatusList, LIST_LENGTH, statusReference } from './status-list.js';

const bitsOf = (lst: string) => inflateSync(Buffer.from(lst, 'base64url'));

it('the first bit is the lowest of the first byte, as in the draft', () => {
  expect([...bitsOf(encodeStatusList([0, 3, 4, 5, 7, 8, 9, 13, 15])).subarray(0, 2)]).toEqual([0xb9, 0xa3]);
});

it('a bit is set for who has ended, and for nobody else', () => {
  const place = fc.oneof(fc.integer({ min: 0, max: LIST_LENGTH - 1 }), fc.constantFrom(0, 7, 8, LIST_LENGTH - 1));
  fc.assert(
    fc.property(fc.uniqueArray(place, { maxLength: 200 }), (ended) => {
      const bits = bitsOf(encodeStatusList(ended));
      expect(bits).toHaveLength(LIST_LENGTH / 8);
      const found = [...bits].flatMap((byte, at) => [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => byte & (1 << bit)).map((bit) => at * 8 + bit));
      expect(found).toEqual(ended.toSorted((a, b) => a - b));
    }),
    { numRuns: 50 },
  );
});

it('is small: nobody has ended, one of a hundred, every second one', () => {
  const every = (nth: number) => Array.from({ length: Math.floor(LIST_LENGTH / nth) }, (_, n) => n * nth);
  expect(encodeStatusList([]).length).toBeLessThan(100);
  expect(encodeStatusList(every(100)).length).toBeLessThan(4_000);
  expect(encodeStatusList(every(1)).length).toBeLessThan(100);
});

it('a list has 131 072 places, and then the next one begins', () => {
  expect(statusReference('https://a.example', LIST_LENGTH - 1).status_list).toEqual({
    idx: LIST_LENGTH - 1,
    uri: 'https://a.example/oauth/status-lists/0',
  });
  expect(statusReference('https://a.example', LIST_LENGTH).status_list).toEqual({ idx: 0, uri: 'https://a.example/oauth/status-lists/1' });
});
