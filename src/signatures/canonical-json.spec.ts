import fc from 'fast-check';
import { canonicalJson } from './canonical-json.js';

describe('the canonical text', () => {
  it('is that of the example in RFC 8785', () => {
    const value = JSON.parse(`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\"\\/",
      "literals": [null, true, false]
    }`);
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  it('has its keys in the order of UTF-16 code units, as in RFC 8785', () => {
    const keys = ['\u20ac', '\r', '\ufb33', '1', '\u{1f600}', '\u0080', '\u00f6'];
    const value = Object.fromEntries(keys.map((key, index) => [key, index]));
    expect(Object.keys(JSON.parse(canonicalJson(value))).filter((key) => key !== '1')).toEqual([
      '\r',
      '\u0080',
      '\u00f6',
      '\u20ac',
      '\u{1f600}', // begins with \ud83d, which is before \ufb33
      '\ufb33',
    ]);
    expect(canonicalJson({ b: 1, a: 1, B: 1, 10: 1, 9: 1, '': 1, aa: 1 })).toBe('{"":1,"10":1,"9":1,"B":1,"a":1,"aa":1,"b":1}');
  });

  // the bit patterns of appendix B
  it.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['ffefffffffffffff', '-1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555554', '333333333.33333325'],
    ['41b3de4355555555', '333333333.3333333'],
    ['41b3de4355555556', '333333333.3333334'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('of the double %s is %s', (bits, text) => {
    expect(canonicalJson(Buffer.from(bits, 'hex').readDoubleBE())).toBe(text);
  });

  it.each([
    ['1E30', '1e+30'],
    ['4.50', '4.5'],
    ['2e-3', '0.002'],
    ['-0', '0'],
    ['1e21', '1e+21'],
    ['100', '100'],
    ['1.0', '1'],
    ['12345678901234567890', '12345678901234567000'],
  ])('of the number %s is %s', (written, text) => {
    expect(canonicalJson(JSON.parse(written))).toBe(text);
  });

  it('escapes what it must, and nothing else', () => {
    expect(canonicalJson('\u0000\u0007\b\t\n\u000b\f\r\u001f "\\/\u007f\u0080\u2028<é\u{1f600}')).toBe(
      '"\\u0000\\u0007\\b\\t\\n\\u000b\\f\\r\\u001f \\"\\\\/\u007f\u0080\u2028<é\u{1f600}"',
    );
    expect(canonicalJson({ 'a\n"': 1 })).toBe('{"a\\n\\"":1}');
  });

  it('has no member that is undefined, and keeps null', () => {
    expect(canonicalJson({ b: undefined, a: null })).toBe('{"a":null}');
    expect([canonicalJson({}), canonicalJson([]), canonicalJson([[], {}])]).toEqual(['{}', '[]', '[[],{}]']);
  });

  it.each([
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    [undefined],
    [[undefined]],
    [() => 1],
    ['\ud800'],
    [{ '\udc00': 1 }],
    [{ a: 'x\ud83d' }],
  ])('does not exist for %p', (value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError);
  });
});

describe('for any JSON value', () => {
  const json = fc
    .jsonValue({ maxDepth: 4 })
    .filter((value) => JSON.stringify(value).isWellFormed() && !/\\ud[89a-f]/i.test(JSON.stringify(value)));

  it('the text says the value', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value))); // which also makes -0 a 0
      }),
    );
  });

  it('the order of keys does not matter, and the text is its own canonical text', () => {
    fc.assert(
      fc.property(json, fc.integer(), (value, seed) => {
        expect(canonicalJson(shuffled(value, seed))).toBe(canonicalJson(value));
        expect(canonicalJson(JSON.parse(canonicalJson(value)))).toBe(canonicalJson(value));
      }),
    );
  });

  it('other values have other texts', () => {
    fc.assert(
      fc.property(json, json, (one, other) => {
        const same = JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
        expect(canonicalJson(one) === canonicalJson(other)).toBe(same);
      }),
    );
  });
});

/** The same value with the keys of every object in another order of insertion. */
function shuffled(value: unknown, seed: number): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, seed));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, member]) => [key, shuffled(member, seed)] as const);
  const turned = entries.map((_, index) => entries[(index + Math.abs(seed)) % entries.length]!);
  return Object.fromEntries(seed % 2 ? turned.reverse() : turned);
}

/** Keys in some fixed order, by other means than the code under test. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return { members: members.map(([key, member]) => [key, sorted(member)]) };
}
