import 'reflect-metadata';
import { validateSync } from 'class-validator';
import fc from 'fast-check';
import { surelyFits } from './fits.js';
import { Flag, Integer, JsonObject, ListOf, Nested, NestedList, OneOf, Real, Scopes, Text, TextMap, Timestamp } from './shape.js';

class Inner {
  @Text({ maxLength: 3 })
  name!: string;

  @Real({ optional: true })
  size?: number;
}

class Parent {
  @Text({ optional: true, minLength: 2, maxLength: 4 })
  text?: string;

  @Text({ optional: true, rule: { pattern: /^[a-z]+$/, description: 'lower-case letters' } })
  word?: string;
}

class Everything extends Parent {
  @Text({ optional: true, maxLength: 3 })
  declare text?: string; // beside what its parent says of it

  @Timestamp({ optional: true })
  at?: string;

  @Integer({ optional: true, minimum: 1, maximum: 9 })
  number?: number;

  @Flag({ optional: true })
  flag?: boolean;

  @OneOf(['this', 'that'], { optional: true })
  choice?: string;

  @Scopes({ optional: true, maxItems: 2, unique: true })
  scopes?: string[];

  @ListOf({ minLength: 1, maxLength: 2 }, { optional: true })
  list?: string[];

  @JsonObject({ optional: true })
  any?: object;

  @TextMap({ optional: true, maxLength: 3 })
  map?: Record<string, string>;

  @Nested(() => Inner, { optional: true })
  inner?: Inner;

  @NestedList(() => Inner, { optional: true, bounds: { minItems: 0, maxItems: 2 } })
  inners?: Inner[];
}

/** Values that are good for some field, and others that nearly are. */
const near = fc.constantFrom<unknown>(
  ...[undefined, null, '', 'a', 'ab', 'abc', 'abcd', 'abcde', 'A', 'a\0', 'a\n', 'é', '\u{1F600}', '☺\uFE0F', '\uFE0F', '\uFE0F\uFE0F'],
  ...[
    'this',
    'that',
    'toString',
    '2026-01-01T00:00:00Z',
    '2026-02-30T00:00:00Z',
    'now',
    0,
    1,
    9,
    10,
    1.5,
    -1,
    Number.NaN,
    '5',
    true,
    false,
  ],
  ...[['a'], ['a', 'a'], ['a', 'b'], ['a', 'b', 'c'], ['a b'], [1], [''], ['\uFE0F'], ['☺\uFE0F'], [null], [['a']], [], {}, { length: 0 }],
  ...[{ a: 'abc' }, { a: 'abcd' }, { a: 1 }, { name: 'a' }],
);
const inner = fc.record({ name: near, size: near }, { requiredKeys: [] }).map((fields) => Object.assign(new Inner(), fields));
const value = fc.oneof(near, inner, fc.array(inner, { maxLength: 3 }), fc.anything());
const keys = ['text', 'word', 'at', 'number', 'flag', 'choice', 'scopes', 'list', 'any', 'map', 'inner', 'inners'] as const;

const accepts = (instance: object) => validateSync(instance, { forbidUnknownValues: false, stopAtFirstError: true }).length === 0;

it('takes nothing that class-validator refuses', () => {
  let taken = 0;
  const one = fc.tuple(fc.constantFrom(...keys), value).map(([key, given]) => Object.assign(new Everything(), { [key]: given }));
  fc.assert(
    fc.property(one, (instance) => {
      const fits = surelyFits(instance);
      taken += Number(fits);
      return !fits || accepts(instance);
    }),
    { numRuns: 5_000 },
  );
  expect(taken).toBeGreaterThan(200);
});

it.each([
  {},
  { text: 'abc', word: 'abc', at: '2026-01-01T00:00:00.5+01:00', number: 9, flag: false, choice: 'that' },
  { scopes: ['a', 'b:*'], list: ['a', 'bb'], any: { anything: [null] }, map: { key: 'é' } },
  { inner: Object.assign(new Inner(), { name: 'é', size: 0.5 }), inners: [{}] },
])('decides about %j without class-validator', (fields) => {
  expect(surelyFits(Object.assign(new Everything(), fields))).toBe(true);
});

it('knows nothing of an object that is of no such class', () => {
  expect(surelyFits({})).toBe(false);
  expect(surelyFits(Object.assign(new Everything(), { inner: { name: 'a' } }))).toBe(false);
});
