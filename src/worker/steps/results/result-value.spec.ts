import fc from 'fast-check';
import { resultValue } from './result-value.js';

const bytesOf = (text: string) => Buffer.from(text);
const texts = fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed());

it('34: a string is just what was written, a newline at its end and a mark of the byte order included', () => {
  fc.assert(fc.property(texts, (text) => expect(resultValue('string', bytesOf(text))).toBe(text)));
  expect(resultValue('string', bytesOf('\ufeffx\n'))).toBe('\ufeffx\n');
});

it('32: what is not UTF-8 is never replaced: it is refused, or told in base64', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(Buffer.from(resultValue('binary', bytes) as string, 'base64')).toEqual(Buffer.from(bytes));
      const isText = Buffer.from(Buffer.from(bytes).toString()).equals(bytes);
      if (isText) expect(bytesOf(resultValue('string', bytes) as string)).toEqual(Buffer.from(bytes));
      else expect(() => resultValue('string', bytes)).toThrow('it is not UTF-8; declare it as binary');
    }),
  );
  expect(() => resultValue('string', Uint8Array.of(0xed, 0xa0, 0x80))).toThrow(/UTF-8/); // half of a pair
});

it('38: arrays and objects are JSON of strings', () => {
  fc.assert(fc.property(fc.array(texts), (value) => expect(resultValue('array', bytesOf(JSON.stringify(value)))).toEqual(value)));
  fc.assert(
    fc.property(
      fc.dictionary(
        texts.filter((name) => name !== '__proto__'),
        texts,
      ),
      (value) => expect(resultValue('object', bytesOf(JSON.stringify(value)))).toEqual({ ...value }),
    ),
  );
});

it.each([
  ['array', '{}', /no JSON array of strings/],
  ['array', '["a", 1]', /no JSON array of strings/],
  ['array', '"a"', /no JSON array of strings/],
  ['array', '', /it is no JSON/],
  ['object', '[]', /no JSON object of strings/],
  ['object', 'null', /no JSON object of strings/],
  ['object', '{"a": {"b": "c"}}', /no JSON object of strings/],
  ['object', '{"a": "b"} x', /it is no JSON/],
  ['array', '["\\ud800"]', /a lone surrogate/],
  ['object', '{"\\udc00": "a"}', /a lone surrogate/],
  ['object', '{"__proto__": "a"}', /a member named __proto__/],
  ['array', JSON.stringify(Array(50_000).fill('')), /more than 50000 values/],
] as const)('38: no %s is %s', (type, text, why) => {
  expect(() => resultValue(type, bytesOf(text))).toThrow(why);
});

it('does not repeat what is in it', () => {
  expect(() => resultValue('array', bytesOf('hunter2'))).toThrow(/^it is no JSON$/);
});
