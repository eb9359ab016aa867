import fc from 'fast-check';
import { byteRange } from './byte-range.js';

it.each([
  ['bytes=0-0', 10, { start: 0, end: 0 }],
  ['bytes=0-', 10, { start: 0, end: 9 }],
  ['bytes=3-5', 10, { start: 3, end: 5 }],
  ['bytes= 3 - 5 ', 10, { start: 3, end: 5 }],
  ['bytes=3-99', 10, { start: 3, end: 9 }],
  ['bytes=-4', 10, { start: 6, end: 9 }],
  ['bytes=-99', 10, { start: 0, end: 9 }],
  ['bytes=10-', 10, 'unsatisfiable'],
  ['bytes=10-20', 10, 'unsatisfiable'],
  ['bytes=-0', 10, 'unsatisfiable'],
  ['bytes=0-', 0, 'unsatisfiable'],
  ['bytes=-5', 0, 'unsatisfiable'],
  [undefined, 10, undefined],
  ['', 10, undefined],
  ['bytes=-', 10, undefined],
  ['bytes=5-3', 10, undefined],
  ['bytes=0-1,3-4', 10, undefined],
  ['bytes=a-b', 10, undefined],
  ['bytes=1e3-', 10, undefined],
  ['bytes=0x1-', 10, undefined],
  ['items=0-1', 10, undefined],
  [`bytes=${'9'.repeat(400)}-`, 10, undefined],
])('%j of %d bytes is %j', (header, length, expected) => {
  expect(byteRange(header, length)).toEqual(expected);
});

it('never leads out of the bytes there are', () => {
  const part = fc.oneof(fc.nat(20).map(String), fc.constant(''), fc.bigInt({ min: 0n, max: 10n ** 20n }).map(String));
  fc.assert(
    fc.property(part, part, fc.nat(15), (from, to, length) => {
      const range = byteRange(`bytes=${from}-${to}`, length);
      if (range === undefined || range === 'unsatisfiable') return;
      expect(range.start).toBeGreaterThanOrEqual(0);
      expect(range.end).toBeGreaterThanOrEqual(range.start);
      expect(range.end).toBeLessThan(length);
    }),
  );
});
