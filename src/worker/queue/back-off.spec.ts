import fc from 'fast-check';
import { BackOff, pause } from './back-off.js';

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

it('waits longer and longer, a minute at most, and never for nothing', () => {
  fc.assert(
    fc.property(fc.array(chance, { minLength: 1, maxLength: 40 }), (chances) => {
      let turn = 0;
      const backOff = new BackOff(() => chances[turn]!);
      for (; turn < chances.length; turn++) {
        const waited = backOff.next();
        expect(waited).toBeGreaterThanOrEqual(100);
        expect(waited).toBeLessThanOrEqual(Math.min(60_000, 1000 * 2 ** turn));
      }
    }),
  );
});

it('leaves all of the time to chance, and begins anew after a success', () => {
  const backOff = new BackOff(() => 0.999_999);
  expect(Array.from({ length: 8 }, () => backOff.next())).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  backOff.reset();
  expect(backOff.next()).toBe(1000);
  expect(new BackOff(() => 0).next()).toBe(100);
});

it('waits as long as the service asks for, but not for a day', () => {
  expect(new BackOff(() => 0).next(5_000)).toBe(5_000);
  expect(new BackOff(() => 0).next(86_400_000)).toBe(300_000);
});

it('a pause ends at once when nobody waits any longer', async () => {
  const controller = new AbortController();
  const paused = pause(3_600_000, controller.signal);
  controller.abort();
  await paused;
  await pause(3_600_000, controller.signal);
});
