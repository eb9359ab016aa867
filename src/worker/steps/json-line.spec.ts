import fc from 'fast-check';
import { jsonLine } from './json-line.js';

it('is one line to whoever takes any line terminator for one, and the same value', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[\u2028\u2029\n\r\\"u]*$/));
  fc.assert(
    fc.property(text, (value) => {
      const line = jsonLine({ [value]: value });
      expect(line.split(/\r?\n|\r|\u2028|\u2029/)).toEqual([line.slice(0, -1), '']);
      expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify({ [value]: value })));
    }),
  );
});
