import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { digestsEqual, hmac } from './hmac.js';

const reference = (key: string, text: string) => createHmac('sha256', key).update(text).digest('base64');

describe('hmac', () => {
  it('of RFC 4231, test cases 2 and 6: a short key, and one that is longer than a block', () => {
    const hex = (key: string, text: string) => Buffer.from(hmac(key, text, 'base64url'), 'base64url').toString('hex');
    expect(hex('Jefe', 'what do ya want for nothing?')).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
    const long = Buffer.alloc(131, 0xaa).toString('latin1'); // of the RFC's bytes, but as characters: two bytes each
    expect(hmac(long, 'text', 'base64')).toBe(reference(long, 'text'));
  });

  it("is that of Node's own, whatever the key and the text", () => {
    const ascii = fc.string({
      unit: fc.integer({ min: 0, max: 0x7f }).map((code) => String.fromCharCode(code)),
      minLength: 1,
      maxLength: 70,
    });
    const any = fc.string({ unit: 'binary', minLength: 1, maxLength: 70 });
    const text = fc.string({ unit: 'binary', maxLength: 300 });
    fc.assert(
      fc.property(fc.oneof(ascii, any), text, (key, given) => {
        expect(hmac(key, given, 'base64')).toBe(reference(key, given));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([1, 63, 64, 65, 128])('of a key of %d characters', (length) => {
    const key = 'k'.repeat(length);
    for (const text of ['', 'a', 'b'.repeat(200_000), 'ünïcödé 🐘', '\ud800']) expect(hmac(key, text, 'base64')).toBe(reference(key, text));
  });

  it('leaves nothing of one key in the next', () => {
    const alone = hmac('b', 'text', 'base64');
    hmac('a'.repeat(64), 'text', 'base64');
    expect(hmac('b', 'text', 'base64')).toBe(alone);
  });

  it('refuses an empty key', () => {
    expect(() => hmac('', 'text', 'base64')).toThrow(RangeError);
  });
});

it('digests are equal only if all their characters are', () => {
  expect(digestsEqual('abc', 'abc')).toBe(true);
  for (const other of ['abd', 'ab', 'abcd', '', 'äbc']) expect(digestsEqual('abc', other)).toBe(false);
});
