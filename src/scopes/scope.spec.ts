import fc from 'fast-check';
import { isScope, SCOPE_PATTERN, satisfies, withoutStar } from './scope.js';

// Few characters, so that prefixes, stars and equal scopes meet often.
const scope = fc.string({ unit: fc.constantFrom('a', 'b', ':', '*'), maxLength: 5 });

describe('isScope', () => {
  it.each(['a', '*', 'queue:get-task:*', 'secrets:get:<..>', "!#$%&'()*+,-./:;=?@[]^_`{|}~"])('accepts %s', (text) => {
    expect(isScope(text)).toBe(true);
  });

  it.each(['', ' ', 'a b', 'a"b', 'a\\b', 'a\n', 'a\tb', 'a\x7f', 'é', '\ud83d\ude00'])('refuses %j', (text) => {
    expect(isScope(text)).toBe(false);
  });

  it.each([undefined, null, 1, ['a'], { length: 1 }])('refuses the non-string %j', (value) => {
    expect(isScope(value)).toBe(false);
  });

  it('accepts no text that a space-separated list could turn into other scopes', () => {
    const list = fc.array(fc.string({ unit: 'binary-ascii', maxLength: 4 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(list, (texts) => {
        const scopes = texts.filter(isScope);
        fc.pre(scopes.length > 0);
        expect(scopes.join(' ').split(/\s/)).toEqual(scopes);
      }),
    );
  });

  it('keeps no state between calls', () => {
    expect([SCOPE_PATTERN.global, SCOPE_PATTERN.sticky]).toEqual([false, false]);
  });
});

describe('satisfies', () => {
  it.each([
    ['a', 'a'],
    ['*', 'a'],
    ['*', ''],
    ['*', '*'],
    ['a*', 'a'],
    ['a*', 'ab'],
    ['a*', 'ab*'],
    ['a*', 'a*'],
    ['a*', 'a**'],
    ['a:*', 'a:'],
    ['a*b', 'a*b'],
    ['a**', 'a*b'],
  ])('%j satisfies %j', (held, required) => expect(satisfies(held, required)).toBe(true));

  it.each([
    ['a', 'ab'],
    ['a', 'a*'],
    ['ab', 'a'],
    ['ab*', 'a'],
    ['ab*', 'a*'],
    ['a*b', 'aab'],
    ['*a', 'ba'],
    ['A', 'a'],
    ['', 'a'],
    ['a**', 'ab'],
    ['a**', 'a*'],
    ['**', '*'],
  ])('%j does not satisfy %j', (held, required) => expect(satisfies(held, required)).toBe(false));

  it('is reflexive', () => {
    fc.assert(fc.property(scope, (a) => satisfies(a, a)));
  });

  it('is transitive', () => {
    fc.assert(
      fc.property(scope, scope, scope, (a, b, c) => !(satisfies(a, b) && satisfies(b, c)) || satisfies(a, c)),
      { numRuns: 5_000 },
    );
  });

  it('is antisymmetric: no two scopes are worth the same', () => {
    fc.assert(
      fc.property(scope, scope, (a, b) => a === b || !(satisfies(a, b) && satisfies(b, a))),
      { numRuns: 2_000 },
    );
  });

  it('is the plain prefix rule wherever the held scope does not end in two stars', () => {
    fc.assert(
      fc.property(scope, scope, (a, b) => {
        fc.pre(!a.endsWith('**'));
        const byRule = a === b || (a.endsWith('*') && b.startsWith(a.slice(0, -1)));
        expect(satisfies(a, b)).toBe(byRule);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('withoutStar', () => {
  it.each([
    ['a*', 'a'],
    ['a**', 'a*'],
    ['*', ''],
    ['a*b', 'a*b'],
    ['', ''],
  ])('of %j is %j', (text, stem) => expect(withoutStar(text)).toBe(stem));
});
