import fc from 'fast-check';
import { satisfies } from './scope.js';
import { compareScopes, holdsAll, holdsScope, intersectScopes, mergeScopeSets, normalizeScopes, remainingScopes } from './scope-set.js';

const scope = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 4 });
const scopes = fc.array(scope, { maxLength: 8 });

describe('compareScopes', () => {
  it('orders by what stands before the star, the starred one first', () => {
    const ordered = ['*', '', 'A', 'a*', 'a', 'a**', 'a*b', 'a-*', 'a-', 'a:b*', 'a:b', 'ab*', 'ab', 'b'];
    expect([...ordered].reverse().sort(compareScopes)).toEqual(ordered);
  });

  it('calls only equal scopes equal, and turns round with its arguments', () => {
    fc.assert(
      fc.property(scope, scope, (a, b) => {
        expect(compareScopes(a, b) === 0).toBe(a === b);
        expect(Math.sign(compareScopes(a, b)) + Math.sign(compareScopes(b, a))).toBe(0);
      }),
    );
  });
});

describe('normalizeScopes', () => {
  it.each([
    [[], []],
    [
      ['b', 'a', 'b'],
      ['a', 'b'],
    ],
    [
      ['a', 'a*', 'ab', 'ab*', 'b'],
      ['a*', 'b'],
    ],
    [['a', '*'], ['*']],
    [
      ['a:b', 'a', 'a:*'],
      ['a', 'a:*'],
    ],
    [['a**', 'a*'], ['a*']],
    [['a*b', 'a**'], ['a**']],
  ])('of %j is %j', (given, normal) => expect(normalizeScopes(given)).toEqual(normal));

  it('takes any iterable and leaves it as it was', () => {
    const given = ['b', 'a'];
    expect(normalizeScopes(new Set(given))).toEqual(['a', 'b']);
    normalizeScopes(given);
    expect(given).toEqual(['b', 'a']);
  });

  it('has the same authority', () => {
    fc.assert(
      fc.property(scopes, scope, (set, required) => {
        expect(holdsScope(normalizeScopes(set), required)).toBe(holdsScope(set, required));
      }),
      { numRuns: 1_000 },
    );
  });

  it('is idempotent, and the same for every order', () => {
    fc.assert(
      fc.property(scopes, (set) => {
        const normal = normalizeScopes(set);
        expect(normalizeScopes(normal)).toEqual(normal);
        expect(normalizeScopes([...set].reverse())).toEqual(normal);
      }),
    );
  });

  it('is minimal: no scope of it satisfies another', () => {
    fc.assert(
      fc.property(scopes, (set) => {
        const normal = normalizeScopes(set);
        expect(normal.filter((a) => normal.some((b) => a !== b && satisfies(b, a)))).toEqual([]);
        expect(new Set(normal).size).toBe(normal.length);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('mergeScopeSets', () => {
  it('is the normal form of both lists together', () => {
    fc.assert(
      fc.property(scopes, scopes, (a, b) => {
        expect(mergeScopeSets(normalizeScopes(a), normalizeScopes(b))).toEqual(normalizeScopes([...a, ...b]));
      }),
      { numRuns: 1_000 },
    );
  });

  it('leaves its arguments alone', () => {
    const a = Object.freeze(['a', 'c*']);
    const b = Object.freeze(['b', 'cc']);
    expect(mergeScopeSets(a, b)).toEqual(['a', 'b', 'c*']);
  });
});

describe('holdsScope and holdsAll', () => {
  it('find one satisfying scope for each required one', () => {
    expect(holdsScope(['b', 'a*'], 'ab')).toBe(true);
    expect(holdsScope(['b', 'a*'], 'ba')).toBe(false);
    expect(holdsAll(['b', 'a*'], ['b', 'aa', 'ab*'])).toBe(true);
    expect(holdsAll(['b', 'a*'], ['aa', 'c'])).toBe(false);
  });

  it('holding nothing satisfies only the requirement of nothing', () => {
    expect(holdsScope([], '')).toBe(false);
    expect(holdsAll([], ['a'])).toBe(false);
    expect(holdsAll([], [])).toBe(true);
  });
});

describe('holdsAll', () => {
  it('is holdsScope for each', () => {
    fc.assert(
      fc.property(scopes, scopes, (held, required) => {
        expect(holdsAll(held, required)).toBe(required.every((one) => holdsScope(held, one)));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('remainingScopes', () => {
  it.each([
    [['b', 'a:*', 'b'], ['*'], ['b', 'a:*', 'b']],
    [
      ['b', 'a:*'],
      ['a:1', 'a:2*', 'c'],
      ['a:1', 'a:2*'],
    ],
    [['b', 'a:1'], ['b', 'c'], ['b']],
    [['*'], ['a', 'b*'], ['a', 'b*']],
    [['a'], [], []],
    [[], [], []],
  ])('of %j to who holds %j are %j', (given, held, left) => expect(remainingScopes(given, held)).toEqual(left));

  it('are satisfied by both, and are all that both satisfy', () => {
    fc.assert(
      fc.property(scopes, scopes, scope, (given, holder, one) => {
        const held = normalizeScopes(holder);
        const left = remainingScopes(given, held);
        expect([holdsAll(given, left), holdsAll(held, left)]).toEqual([true, true]);
        expect(holdsScope(left, one)).toBe(holdsScope(given, one) && holdsScope(held, one));
      }),
      { numRuns: 2_000 },
    );
  });

  it('are the very list while all of it is held, and then stay the same', () => {
    fc.assert(
      fc.property(scopes, scopes, (given, holder) => {
        const held = normalizeScopes(holder);
        const left = remainingScopes(given, held);
        expect(left === given).toBe(holdsAll(held, given));
        expect(remainingScopes(left, held)).toBe(left);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('intersectScopes', () => {
  it.each([
    [['*'], ['a', 'b*'], ['a', 'b*']],
    [['a*'], ['ab*', 'b'], ['ab*']],
    [['a'], ['b'], []],
    [[], ['*'], []],
    [
      ['a*', 'b'],
      ['ab', 'b*'],
      ['ab', 'b'],
    ],
    [['a**'], ['a*'], ['a**']],
  ])('of %j and %j is %j', (a, b, both) => {
    expect(intersectScopes(a, b)).toEqual(both);
    expect(intersectScopes(b, a)).toEqual(both);
  });

  it('is satisfied by both', () => {
    fc.assert(
      fc.property(scopes, scopes, (a, b) => {
        const both = intersectScopes(a, b);
        expect([holdsAll(a, both), holdsAll(b, both)]).toEqual([true, true]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('satisfies exactly what both satisfy', () => {
    fc.assert(
      fc.property(scopes, scopes, scope, (a, b, required) => {
        expect(holdsScope(intersectScopes(a, b), required)).toBe(holdsScope(a, required) && holdsScope(b, required));
      }),
      { numRuns: 3_000 },
    );
  });

  it('is normalised', () => {
    fc.assert(
      fc.property(scopes, scopes, (a, b) => {
        const both = intersectScopes(a, b);
        expect(both).toEqual(normalizeScopes(both));
      }),
    );
  });
});
