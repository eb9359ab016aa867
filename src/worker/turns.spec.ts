import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Turns } from './turns.js';

const FOREVER = new AbortController().signal;
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('turns', () => {
  it('never more at once than there may be, all in order, whoever fails or leaves', async () => {
    const calls = fc.array(fc.constantFrom('ends', 'fails', 'leaves'), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), calls, async (atOnce, fates) => {
        const turns = new Turns(atOnce);
        const [begun, now]: [number[], Set<number>] = [[], new Set()];
        const leaving = new AbortController();
        const done = fates.map((fate, index) =>
          turns.take(fate === 'leaves' ? leaving.signal : FOREVER, async () => {
            begun.push(index);
            now.add(index);
            expect(now.size).toBeLessThanOrEqual(atOnce);
            await settled();
            now.delete(index);
            if (fate === 'fails') throw new Error('failed');
          }),
        );
        leaving.abort();
        await Promise.allSettled(done);
        expect(begun).toEqual([...begun].sort((one, other) => one - other));
        const stayed = fates.flatMap((fate, index) => (fate === 'leaves' ? [] : [index]));
        expect(begun).toEqual(expect.arrayContaining(stayed));
        expect([now.size, turns.waiting]).toEqual([0, 0]);
        expect(await turns.take(FOREVER, async () => 'free')).toBe('free');
      }),
      { numRuns: 200 },
    );
  });

  it('who has left already gets none', async () => {
    const why = new Error('gone');
    await expect(new Turns(1).take(AbortSignal.abort(why), async () => 'never')).rejects.toBe(why);
  });
});
