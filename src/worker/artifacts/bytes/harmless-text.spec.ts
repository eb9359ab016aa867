import fc from 'fast-check';
import { HarmlessText } from './harmless-text.js';

function harmless(...chunks: (Buffer | string)[]): string {
  const text = new HarmlessText();
  return Buffer.concat([...chunks.map((chunk) => text.push(Buffer.from(chunk))), text.end()]).toString();
}

it('73: escape sequences are shown, and do nothing', () => {
  expect(harmless('\u001b[2J\u001b]0;title\u0007 \u001b[31mred\u001b[0m')).toBe('␛[2J␛]0;title␇ ␛[31mred␛[0m');
  expect(harmless('a\u009b31mb\u202ec\u0000\b\u007f')).toBe('a\ufffd31mb\ufffdc␀␈␡');
});

it('73: so does what is cut in the middle of a sequence or a character', () => {
  expect(harmless('\u001b', '[2', 'J')).toBe('␛[2J');
  expect(harmless(Buffer.of(0xc2), Buffer.of(0x9b), '2J')).toBe('\ufffd2J');
  expect(harmless(Buffer.of(0xe2, 0x82), Buffer.of(0xac))).toBe('€');
  expect(harmless(Buffer.of(0xe2, 0x82))).toBe('\ufffd');
});

it('73: bytes that are no UTF-8 are no control characters of eight bits either', () => {
  expect(harmless(Buffer.of(0x9b, 0x32, 0x4a, 0xff))).toBe('\ufffd2J\ufffd');
});

it('73: tabs, line breaks, carriage returns and all other text stay', () => {
  const text = '\ufeffa\tb\r\nc\r100 % — é 😀\n';
  expect(harmless(text)).toBe(text);
  const plain = fc.string({ unit: 'grapheme' });
  fc.assert(fc.property(plain, (one) => expect(harmless(one)).toBe(one)));
});

it('73: no bytes, however they are cut, become more than text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (bytes, cut) => {
      const [all, at] = [Buffer.from(bytes), cut % (bytes.length + 1)];
      const out = harmless(all.subarray(0, at), all.subarray(at));
      expect(out).toBe(harmless(all));
      expect(out).not.toMatch(/(?![\t\n\r])[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
    }),
  );
});
