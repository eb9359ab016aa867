import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { openToken, sealToken } from './token-cipher.js';

const KEY = randomBytes(32);
const TOKEN = 'token-0123456789-abcdefghijklmnopqrstuvwxyz_';
const sealed = () => sealToken(KEY, 'some/client', TOKEN);

it('opens what was sealed for the same client under the same key', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
      (clientId, token) => {
        expect(openToken(KEY, clientId, sealToken(KEY, clientId, token))).toBe(token);
      },
    ),
  );
});

it('never seals twice alike, and shows nothing of the token but its length', () => {
  const [one, other] = [sealed(), sealed()];
  expect(one.equals(other)).toBe(false);
  expect(one).toHaveLength(12 + 16 + TOKEN.length);
  expect(one.toString('latin1')).not.toContain(TOKEN.slice(0, 4));
});

it('refuses another key and another client', () => {
  expect(() => openToken(randomBytes(32), 'some/client', sealed())).toThrow();
  expect(() => openToken(KEY, 'other/client', sealed())).toThrow();
});

it('refuses any change of any bit', () => {
  const whole = sealed();
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const changed = Buffer.from(whole);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    expect(() => openToken(KEY, 'some/client', changed)).toThrow();
  }
});

it('refuses what is shorter: a cut tag is not taken for a short one', () => {
  const whole = sealed();
  for (let length = 0; length < whole.length; length++) expect(() => openToken(KEY, 'some/client', whole.subarray(0, length))).toThrow();
});
