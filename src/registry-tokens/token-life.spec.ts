import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { usedUntil } from './token-life.js';

const RECEIVED = 5_000;
const MINUTES_10 = 600_000;

describe('how long a token is used', () => {
  it.each([
    ['54: 60 s where nothing is said', {}, 54_000],
    ['54: 10 s are 10 s', { expiresIn: 10 }, 9_000],
    ['56: nine tenths', { expiresIn: 300 }, 270_000],
    ['never for longer than an hour', { expiresIn: 1e12 }, 3_240_000],
    ['55: less its age, by the clock of the server', { expiresIn: 300, issuedAt: 0, answeredAt: 100_000 }, 180_000],
    [
      '55: a server whose clock is wrong, but that agrees with itself',
      { expiresIn: 300, issuedAt: -MINUTES_10, answeredAt: -MINUTES_10 },
      270_000,
    ],
    ['55: one issued in the future is of now', { expiresIn: 300, issuedAt: MINUTES_10, answeredAt: 0 }, 270_000],
    ['55: nothing is known of its age where one of the two is missing', { expiresIn: 300, issuedAt: 0 }, 270_000],
    ['one that was old when it came is for once', { expiresIn: 300, issuedAt: 0, answeredAt: MINUTES_10 }, -270_000],
    ['0 s are for once', { expiresIn: 0 }, 0],
  ])('%s', (_, times, ms) => expect(usedUntil(times, RECEIVED)).toBe(RECEIVED + ms));

  it('55: is never for ever, whatever a server says', () => {
    const ms = fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: undefined });
    fc.assert(
      fc.property(ms, ms, ms, (expiresIn, issuedAt, answeredAt) => {
        expect(usedUntil({ expiresIn, issuedAt, answeredAt }, RECEIVED)).toBeLessThanOrEqual(RECEIVED + 3_240_000);
      }),
    );
  });
});
