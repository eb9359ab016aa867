import fc from 'fast-check';
import { parseStrictJson } from './strict-json.js';

it.each([
  ['{"a":1,"a":1}', /has "a" twice/],
  ['{"a":1,"b":{"c":1,"\\u0063":2}}', /has "c" twice/],
  ['[{"a":{}},{"b":[{"x":"}{","x":1}]}]', /has "x" twice/],
  ['{"a\\"":1,"a\\"":1}', /twice/],
  ['{"__proto__":1,"__proto__":2}', /has "__proto__" twice/],
  ['', /^not JSON$/],
  ['{"secret": hunter2}', /^not JSON$/],
])('(9) %s is refused', (text, says) => {
  expect(() => parseStrictJson(text)).toThrow(SyntaxError);
  expect(() => parseStrictJson(text)).toThrow(says);
});

it('(9) all that says everything once is read as always', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), fc.constantFrom(undefined, 1, '\t'), (text, space) => {
      const spaced = JSON.stringify(JSON.parse(text), null, space);
      expect(parseStrictJson(spaced)).toEqual(JSON.parse(spaced));
    }),
    { numRuns: 500 },
  );
  expect(parseStrictJson('{"a":{"a":{"a":"\\"a\\":1,\\"a\\":"}},"b":"{"}')).toEqual({ a: { a: { a: '"a":1,"a":' } }, b: '{' });
});
