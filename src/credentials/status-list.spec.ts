import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { generateKeyPair } from 'jose';
import { encodeStatusList, LIST_LENGTH, mark, shuffledPlaces, signStatusList, statusReference } from './status-list.js';

const bitsOf = (lst: string) => inflateSync(Buffer.from(lst, 'base64url'));

function marked(ended: Iterable<number>): Buffer {
  const bits = Buffer.alloc(LIST_LENGTH / 8);
  mark(bits, ended);
  return bits;
}

it('the first bit is the lowest of the first byte, as in the draft', () => {
  expect([...bitsOf(encodeStatusList(marked([0, 3, 4, 5, 7, 8, 9, 13, 15]))).subarray(0, 2)]).toEqual([0xb9, 0xa3]);
});

it('a bit is set for who has ended, and for nobody else', () => {
  const place = fc.oneof(fc.integer({ min: 0, max: LIST_LENGTH - 1 }), fc.constantFrom(0, 7, 8, LIST_LENGTH - 1));
  fc.assert(
    fc.property(fc.uniqueArray(place, { maxLength: 200 }), (ended) => {
      const bits = bitsOf(encodeStatusList(marked(ended)));
      expect(bits).toHaveLength(LIST_LENGTH / 8);
      const found = [...bits].flatMap((byte, at) => [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => byte & (1 << bit)).map((bit) => at * 8 + bit));
      expect(found).toEqual(ended.toSorted((a, b) => a - b));
    }),
    { numRuns: 50 },
  );
});

/** Ends that come in no order, the same ones each time. */
function endedAtRandom(share: number): number[] {
  let state = 1;
  return Array.from({ length: LIST_LENGTH }, (_, idx) => idx).filter(() => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 < share;
  });
}

describe('a list as it is sent, in bytes', () => {
  it.each([
    ['nobody has ended', 0, 350, 600],
    ['one of a hundred has', 0.01, 3_000, 4_000],
    ['one of ten has', 0.1, 15_000, 18_000],
    ['every second one has', 0.5, 28_000, 31_000],
    ['all have', 1, 350, 600],
  ])('%s', async (_, share, least, most) => {
    const { privateKey: key } = await generateKeyPair('ES256');
    const terms = { uri: 'https://tasks.example.com/oauth/status-lists/0', bits: marked(endedAtRandom(share)), now: 1, ttl: 1, life: 60 };
    const { length } = await signStatusList(terms, { alg: 'ES256', kid: 'k'.repeat(43), key });
    expect(length).toBeGreaterThan(least);
    expect(length).toBeLessThan(most);
  });
});

it('the places of a list are all of them, once each, in an order of its own', () => {
  const all = Uint32Array.from({ length: LIST_LENGTH }, (_, nth) => nth);
  const shuffled = fc.tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat({ max: 1_000_000 }));
  fc.assert(
    fc.property(shuffled, ([secret, list]) => {
      const places = shuffledPlaces(Buffer.from(secret), list);
      expect(Buffer.from(places.toSorted().buffer).equals(Buffer.from(all.buffer))).toBe(true);
      // in no order: of two that follow one another either may come first, and hardly ever are they neighbours
      const steps = places.subarray(1).map((place, nth) => place - (places[nth] as number));
      const up = steps.filter((step) => step < 2 ** 31).length;
      expect(Math.abs(up - LIST_LENGTH / 2)).toBeLessThan(2_000);
      expect(steps.filter((step) => step === 1).length).toBeLessThan(20);
      for (const other of [shuffledPlaces(Buffer.from(secret), list + 1), shuffledPlaces(Buffer.alloc(33), list)]) {
        expect(other.filter((place, nth) => place === places[nth]).length).toBeLessThan(20);
      }
    }),
    { numRuns: 5 },
  );
});

it('places stay where they are from version to version', () => {
  expect([...shuffledPlaces(Buffer.alloc(32), 0).subarray(0, 4)]).toEqual([9_490, 93_114, 91_914, 80_192]);
});

it('a list has 131 072 places, and then the next one begins', () => {
  expect(statusReference('https://a.example', LIST_LENGTH - 1).status_list).toEqual({
    idx: LIST_LENGTH - 1,
    uri: 'https://a.example/oauth/status-lists/0',
  });
  expect(statusReference('https://a.example', LIST_LENGTH).status_list).toEqual({ idx: 0, uri: 'https://a.example/oauth/status-lists/1' });
});
