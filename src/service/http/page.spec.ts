import fc from 'fast-check';
import { ApiError } from './api-error.js';
import { continuationToken, keyOf, page, pageSize } from './page.js';

it('puts every item on one page, whatever the size of pages', () => {
  const items = fc.uniqueArray(fc.string()).map((list) => list.sort());
  fc.assert(
    fc.property(items, fc.integer({ min: 1, max: 7 }), (sorted, limit) => {
      const found: string[] = [];
      let token: string | undefined;
      do {
        const { items, ...rest } = page(sorted, (item) => item, String(limit), token);
        expect(items.length).toBeLessThanOrEqual(limit);
        if (rest.continuationToken) expect(items).toHaveLength(limit); // a token promises that there is more
        found.push(...items);
        token = rest.continuationToken;
      } while (token !== undefined);
      expect(found).toEqual(sorted.filter((item) => item.isWellFormed()));
    }),
  );
});

it('neither skips nor repeats when items come and go between pages', () => {
  const key = (item: string) => item;
  const first = page(['a', 'b', 'c', 'd'], key, '2', undefined);
  expect(page(['0', 'a', 'c', 'd'], key, '2', first.continuationToken).items).toEqual(['c', 'd']);
});

it.each([
  [undefined, 1000],
  ['0', 1],
  ['1', 1],
  ['007', 7],
  ['1000', 1000],
  ['1001', 1000],
  ['9'.repeat(400), 1000],
])('limit %s is %d', (limit, size) => {
  expect(pageSize(limit)).toBe(size);
});

it('gives a token that needs no escaping and holds the key', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1 }), (key) => {
      const token = continuationToken(key);
      expect(token).toMatch(/^[\w-]+$/);
      expect(keyOf(token, key.length)).toEqual(JSON.parse(JSON.stringify(key)));
    }),
  );
});

it.each(['', '!', 'abc', 'W10', 'e30', 'bnVsbA', 'WzEsbnVsbF0', 'W1tdXQ', 'Ingi', 'WyJcdTAwMDAiXQ'])('refuses the token %s', (token) => {
  expect(() => keyOf(token, 1)).toThrow(ApiError);
  expect(() => keyOf(token, 1)).toThrow(/continuationToken is not one that this service gave; begin without it/);
});

it.each([[[]], [['a', 'b']], [[1]], [['a', 1]]])('refuses a token of %j where a list has keys of one part, or of another number', (key) => {
  const token = Buffer.from(JSON.stringify(key)).toString('base64url');
  for (const parts of [1, 3]) expect(() => keyOf(token, parts)).toThrow(/continuationToken is not one/);
});
