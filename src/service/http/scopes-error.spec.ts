import { ScopesError } from './scopes-error.js';

const enough = (required: ConstructorParameters<typeof ScopesError>[1]) => new ScopesError('', required).enough;

it('says what would be enough: all of what is needed together, the first of several ways', () => {
  expect(enough('a')).toBe('a');
  expect(enough({ AllOf: ['a', { AnyOf: [{ AllOf: ['b', 'a'] }, 'c'] }] })).toBe('a b');
  expect(enough({ AllOf: [] })).toBe('');
});

it('says nothing where nothing is enough, and what no header can say', () => {
  for (const required of [{ AnyOf: [] }, 'a b', 'a"b', 'a\\b', 'a\r\nb', 'ä', 'x'.repeat(2_001), { for: 'x', in: 'xs', each: '<x>' }])
    expect(enough(required)).toBeUndefined();
});
