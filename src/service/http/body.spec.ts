import 'reflect-metadata';
import fc from 'fast-check';
import { ApiError } from './api-error.js';
import { checked, checking } from './body.js';
import { Flag, Integer, JsonObject, ListOf, Nested, NestedList, OneOf, Scopes, Text, TextMap, Timestamp } from './shape.js';

class Inner {
  @Text({ maxLength: 3 })
  name!: string;

  @Integer({ minimum: 0, default: 7 })
  count!: number;
}

class Holder {
  @Nested(() => Inner)
  inner!: Inner;

  @ListOf({ maxLength: 2 }, { default: [] })
  words!: string[];
}

class Outer {
  @Text({ optional: true, minLength: 1, maxLength: 5 })
  text?: string;

  @Timestamp({ optional: true })
  at?: string;

  @Integer({ optional: true, minimum: 1, maximum: 9 })
  number?: number;

  @Flag({ default: false })
  flag!: boolean;

  @OneOf(['this', 'that'], { optional: true })
  word?: string;

  @Scopes({ default: [], unique: true })
  scopes!: string[];

  @ListOf({ minLength: 1, maxLength: 2 }, { optional: true, maxItems: 3 })
  list?: string[];

  @JsonObject({ optional: true })
  any?: object;

  @TextMap({ optional: true, maxLength: 3 })
  map?: Record<string, string>;

  @Nested(() => Inner, { optional: true })
  inner?: Inner;

  @NestedList(() => Holder, { optional: true, bounds: { minItems: 1, maxItems: 30 } })
  holders?: Holder[];
}

function refusal(value: unknown): string {
  try {
    checked(Outer, value);
  } catch (error) {
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).code).toBe('InputValidationError');
    return (error as ApiError).message;
  }
  throw new Error('was not refused');
}

it('fills in defaults, each time anew', () => {
  const [one, other] = [checked(Outer, {}), checked(Outer, {})];
  expect(one).toEqual({ flag: false, scopes: [] });
  expect(one.scopes).not.toBe(other.scopes);
  expect(checked(Outer, { inner: { name: 'a' } }).inner).toEqual({ name: 'a', count: 7 });
});

it.each([
  { text: 'a' },
  { text: '12345' },
  { at: '2026-01-01T00:00:00Z' },
  { at: '2026-01-01t00:00:00.1234567+23:59' },
  { at: '2028-02-29T23:59:59-00:00' },
  { number: 1 },
  { flag: true },
  { word: 'that' },
  { scopes: ['a', 'a:*', '~!#$'] },
  { list: ['a', 'bb'] },
  { any: { anything: [null, { at: 'all' }] } },
  { map: { a: '', 'any key': 'abc' } },
])('takes %j', (value) => {
  expect(checked(Outer, value)).toMatchObject(value);
});

it.each([
  ['text', [undefined, null, '', '123456', 1, [], {}, true, 'a\0'].slice(1)],
  ['at', [null, '', 'now', 0, '2026-01-01', '2026-02-30T00:00:00Z', '2026-13-01T00:00:00Z', '2026-01-01T00:00:00', '2026-01-01T00:00:60Z']],
  [
    'at',
    ['0000-06-01T00:00:00Z', '9999-12-31T23:59:59-00:01', '2026-01-01T00:00:00+24:00', `2026-01-01T00:00:00.${'0'.repeat(60)}Z`, [], {}],
  ],
  ['number', [null, 0, 10, 1.5, '5', Number.NaN, [5], {}]],
  ['flag', [null, 0, 'true', [], {}]],
  ['word', [null, '', 'This', 'toString', ['this'], {}]],
  ['scopes', [null, 'a', {}, { length: 0 }, [1], [null], [['a']], [''], ['a b'], ['a"'], ['a\\'], ['é'], ['a\n'], ['a', 'a']]],
  ['list', [null, 'a', [''], ['abc'], ['a', 'b', 'c', 'd'], [1], {}]],
  ['any', [null, [], 'a', 1]],
  ['map', [null, [], { a: 1 }, { a: 'abcd' }, { a: null }, 'a']],
  ['inner', [null, [], 'a', 1, [{ name: 'a' }]]],
  ['holders', [null, [], 'a', 1, {}, { 0: { inner: { name: 'a' } }, length: 1 }, Array(31).fill({ inner: { name: 'a' } })]],
])('refuses a bad %s and names it', (field, values) => {
  for (const value of values) expect(refusal({ [field]: value })).toMatch(new RegExp(`\\* (each value in )?${field} .+`));
});

it('names a field of an object within by its path', () => {
  expect(refusal({ inner: {} })).toMatch(/\* inner\.name /);
  expect(refusal({ inner: { name: 'a', more: 1 } })).toMatch(/\* inner\.more is not a field of this object; known are: name, count/);
});

it('names a field of an object in a list by its index', () => {
  const fine = { inner: { name: 'a' } };
  expect(checked(Outer, { holders: [fine, fine] }).holders).toEqual(Array(2).fill({ inner: { name: 'a', count: 7 }, words: [] }));
  const wrong = (holder: unknown) => refusal({ holders: [fine, fine, holder] });
  expect(wrong({ inner: { name: 1 } })).toMatch(/\* holders\[2\]\.inner\.name must be/);
  expect(wrong({ inner: fine })).toMatch(/\* holders\[2\]\.inner\.inner is not a field/);
  expect(wrong({ inner: 'a' })).toMatch(/\* holders\[2\]\.inner must be a JSON object/);
  expect(wrong({ ...fine, words: ['a', 'abc'] })).toMatch(/\* each value in holders\[2\]\.words must be/);
  for (const value of [null, 1, 'a', [], [fine]]) expect(wrong(value)).toMatch(/\* holders\[2\] must be a JSON object/);
  for (const key of ['__proto__', 'constructor']) expect(wrong(JSON.parse(`{"${key}":{}}`))).toContain(`holders[2].${key} is not a field`);
});

it('checks lists within lists, and looks at no more elements than it takes to name twenty', () => {
  class Shelf {
    @NestedList(() => Holder, { bounds: { minItems: 0, maxItems: 3 } })
    holders!: Holder[];
  }
  class House {
    @NestedList(() => Shelf, { bounds: { minItems: 1, maxItems: 100_000 } })
    shelves!: Shelf[];
  }
  const shelf = { holders: [{ inner: { name: 'a' } }, { inner: { name: 'abcd' } }] };
  expect(() => checked(House, { shelves: [{ holders: [] }, shelf] })).toThrow(/\* shelves\[1\]\.holders\[1\]\.inner\.name must/);
  expect(() => checked(House, { shelves: [{ holders: Array(4) }] })).toThrow(/\* shelves\[0\]\.holders has 4 elements/);
  const steps = checking(House, { shelves: Array(100_000).fill({}) });
  let taken = 0;
  expect(() => {
    while (!steps.next().done) taken++;
  }).toThrow(/shelves\[19\].*\n.*and more/);
  expect(taken).toBe(21);
});

it('knows no other fields, also not those that every object has', () => {
  for (const name of ['constructor', 'toString', 'hasOwnProperty', '__defineGetter__', 'length', 'x']) {
    expect(refusal({ [name]: 1 })).toContain(`* ${name} is not a field`);
  }
  expect(refusal(JSON.parse('{"__proto__":{"flag":true}}'))).toContain('* __proto__ is not a field');
});

it.each([null, [], 'text', 1, true])('refuses %j', (value) => {
  expect(refusal(value)).toContain('the body must be a JSON object');
});

it('names no more than twenty', () => {
  const message = refusal(Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`x${index}`, 1])));
  expect(message.match(/^ {2}\* /gm)).toHaveLength(21);
  expect(message).toContain('… and more');
});

it('answers anything with an instance or a refusal', () => {
  const keys = fc.constantFrom('text', 'at', 'number', 'flag', 'word', 'scopes', 'list', 'any', 'map', 'inner', 'holders', 'name', 'x');
  fc.assert(
    fc.property(fc.oneof(fc.dictionary(keys, fc.jsonValue()), fc.jsonValue()), (value) => {
      try {
        expect(checked(Outer, value)).toBeInstanceOf(Outer);
      } catch (error) {
        expect(error).toBeInstanceOf(ApiError);
      }
    }),
  );
});

it('compares a hundred thousand values with one another quickly', () => {
  const scopes = Array.from({ length: 100_000 }, (_, index) => `s${index}`);
  const began = performance.now();
  checked(Outer, { scopes });
  expect(refusal({ scopes: [...scopes, 's0'] })).toContain('scopes must not name anything twice');
  expect(performance.now() - began).toBeLessThan(3_000); // each with each: half a minute
});
