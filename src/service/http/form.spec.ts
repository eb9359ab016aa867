import fc from 'fast-check';
import { parseForm, parseFormBody } from './form.js';

const name = fc.string({ minLength: 1, unit: 'binary' }).filter((text) => text.isWellFormed());
const pairs = fc.uniqueArray(fc.tuple(name, name), { selector: ([key]) => key, maxLength: 6 });

it('reads what URLSearchParams writes', () => {
  fc.assert(
    fc.property(pairs, (given) => {
      const read = parseForm(new URLSearchParams(given).toString());
      expect(new Map(Object.entries(read))).toEqual(new Map(given));
    }),
  );
});

it('takes no parameter twice, however its name is spelled', () => {
  for (const text of ['a=1&a=2', 'a=1&a=1', 'a=&a=1', 'a&a', 'a=1&%61=2', 'a=1&b=2&a=', '__proto__=1&__proto__=2'])
    expect(() => parseForm(text)).toThrow(/more than once/);
});

it('leaves out what is empty, and reaches for no prototype', () => {
  expect(parseForm('a=&b&c=1&&')).toEqual({ c: '1' });
  expect(parseForm('a=b=c&d=%3D')).toEqual({ a: 'b=c', d: '=' });
  const form = parseForm('__proto__=x&constructor=y');
  expect(Object.getPrototypeOf(form)).toBe(Object.prototype);
  expect(Object.entries(form)).toEqual([
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ]);
});

it.each(['a=%', 'a=%4', 'a=%zz', 'a=%ff', 'a=%c3%28', 'a=%ed%a0%80', 'a=\u00e4'])(
  'refuses what is no percent-encoded UTF-8: %s',
  (text) => {
    expect(() => parseForm(text)).toThrow(/percent-encoded UTF-8/);
  },
);

it('is no JSON, and of a bounded size', () => {
  const type = 'application/x-www-form-urlencoded';
  expect(() => parseFormBody('application/json', Buffer.from('{}'))).toThrow(/not JSON/);
  expect(parseFormBody('text/plain', Buffer.from('a=1'))).toBeUndefined();
  expect(() => parseFormBody(type, Buffer.from(`a=${'x'.repeat(65_536)}`))).toThrow(/larger than 65536 bytes/);
  expect(parseFormBody(type, Buffer.from(`a=${'x'.repeat(65_534)}`))?.a).toHaveLength(65_534);
});
