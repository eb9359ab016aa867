import fc from 'fast-check';
import { compileRoles, expandScopes, type Role, roleProblem } from './role-expansion.js';
import { satisfies } from './scope.js';
import { holdsAll, holdsScope, normalizeScopes, remainingScopes } from './scope-set.js';

const ROLES: Role[] = [
  { roleId: 'exact', scopes: ['e:1', 'assume:other'] },
  { roleId: 'other', scopes: ['o:1', 'literal:<..>'] },
  { roleId: 'thing-*', scopes: ['t1', 't2:<..>'] },
  { roleId: 'repo:gh/*', scopes: ['secrets:get:<..>', 'x:<..>/y', 'fixed', 'assume:team:<..>'] },
  { roleId: 'team:*', scopes: ['team:<..>'] },
];
const EVERYTHING = ['e:1', 'fixed', 'literal:<..>', 'o:1', 'secrets:get:*', 't1', 't2:*', 'team:*', 'x:*'];

const expand = (scopes: string[], roles: Role[]) => expandScopes(scopes, compileRoles(roles));
const text = (minLength: number) => fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength, maxLength: 3 });
const template = fc.tuple(fc.constantFrom('x', 'assume:'), text(0), fc.constantFrom('', '<..>'), text(0)).map((parts) => parts.join(''));
const roleList = fc.array(fc.record({ roleId: text(1), scopes: fc.array(template, { maxLength: 3 }) }), { maxLength: 6 });
/** As an administrator would get them in: one after the other, each refused if it makes the whole set unfit. */
const validRoles = roleList.map((roles) => {
  const kept: Role[] = [];
  for (const role of roles) {
    kept.push(role);
    if (roleProblem(kept) !== undefined) kept.pop();
  }
  return kept;
});
const scope = fc.oneof(
  { arbitrary: text(0).map((name) => `assume:${name}`), weight: 6 },
  fc.constantFrom('*', 'a*', 'assume*', 'ab*', 'asXume:*', 'x', 'xa', 'xa*'),
);
const scopes = fc.array(scope, { maxLength: 4 });

/** The parameter with which a scope assumes a role, by comparing the two as patterns; undefined if it does not. */
function parameterBetween(given: string, pattern: string): string | undefined {
  const [a, b] = [given.replace(/\*$/, ''), pattern.replace(/\*$/, '')];
  if (a === given && b === pattern) return a === b ? '' : undefined;
  if (b !== pattern && a.startsWith(b)) return given.slice(b.length);
  return a !== given && b.startsWith(a) ? '*' : undefined;
}

/** What ends makes 50 scopes at most (of 80 000 samples); what does not may multiply by 18 a round, which filled a heap of 4 GB. */
const MOST_KNOWN = 1_000;

/** Every scope tried with every role, round after round until nothing new comes; undefined if that takes too long, or is too much. */
function naiveExpansion(start: string[], roles: Role[]): string[] | undefined {
  const known = new Set(start);
  for (let round = 0; round < 12; round++) {
    const before = known.size;
    for (const given of [...known].filter((name) => /^(?:(|a|as|ass|assu|assum|assume)\*$|assume:)/.test(name))) {
      for (const { roleId, scopes: granted } of roles) {
        const parameter = parameterBetween(given, `assume:${roleId}`);
        const sign = roleId.endsWith('*') ? (parameter?.endsWith('*') ? /<\.\.>.*/ : '<..>') : /$^/;
        if (parameter !== undefined) for (const name of granted) known.add(name.replace(sign, () => parameter));
      }
      if (known.size > MOST_KNOWN) return undefined;
    }
    if (known.size === before) return [...known].filter((a) => ![...known].some((b) => a !== b && satisfies(b, a))).sort();
  }
  return undefined;
}

describe('expandScopes', () => {
  it.each<[string, string[]]>([
    ['assume:exact', ['e:1', 'literal:<..>', 'o:1', 'assume:other']],
    ['assume:other', ['o:1', 'literal:<..>']],
    ['assume:ex*', ['e:1', 'literal:<..>', 'o:1', 'assume:other']],
    ['assume:exact2', []],
    ['assume:thing-', ['t1', 't2:']],
    ['assume:thing-7', ['t1', 't2:7']],
    ['assume:thing', []],
    ['assume:thing*', ['t1', 't2:*']],
    ['assume:repo:gh/a', ['secrets:get:a', 'x:a/y', 'fixed', 'assume:team:a', 'team:a']],
    ['assume:repo:gh/b*', ['secrets:get:b*', 'x:b*', 'fixed', 'assume:team:b*', 'team:b*']],
    ['assume:repo:gh/*', ['secrets:get:*', 'x:*', 'fixed', 'assume:team:*', 'team:*']],
    ['assume:repo:*', ['secrets:get:*', 'x:*', 'fixed', 'assume:team:*', 'team:*']],
    ['assume:repo:gh/<..>', ['secrets:get:<..>', 'x:<..>/y', 'fixed', 'assume:team:<..>', 'team:<..>']],
    ["assume:repo:gh/$'$&", ["secrets:get:$'$&", "x:$'$&/y", 'fixed', "assume:team:$'$&", "team:$'$&"]],
    ['asXume:*', []],
    ['b*', []],
    ['exact', []],
    ['assumex:exact', []],
    ['assume:', []],
  ])('%s grants %j', (given, granted) => {
    expect(expand([given], ROLES)).toEqual(normalizeScopes([given, ...granted]));
  });

  it.each(['*', 'a*', 'as*', 'ass*', 'assu*', 'assum*', 'assume*', 'assume:*'])('%s assumes every role', (given) => {
    expect(expand([given], ROLES)).toEqual(normalizeScopes([given, ...EVERYTHING]));
  });

  it('keeps unconcerned scopes and returns the normal form', () => {
    expect(expand(['z', 'fixed:b', 'assume:thing-1', 'fixed*', 'z'], ROLES)).toEqual(['assume:thing-1', 'fixed*', 't1', 't2:1', 'z']);
    expect(expand([], ROLES)).toEqual([]);
    expect(expand(['assume:a'], [])).toEqual(['assume:a']);
  });

  it('grants what every role of the same or a nested id grants', () => {
    const nested = ['a', 'a', 'a*', 'aa*', 'aab*', 'ab*'].map((roleId, at) => ({ roleId, scopes: [`r${at}:<..>`] }));
    expect(expand(['assume:aac'], nested)).toEqual(['assume:aac', 'r2:ac', 'r3:c']);
    expect(expand(['assume:a'], nested)).toEqual(['assume:a', 'r0:<..>', 'r1:<..>', 'r2:']);
  });

  it('agrees with the naive expansion', () => {
    const agree = (given: string[], roles: Role[]) => {
      expect([...expand(given, roles)].sort()).toEqual(naiveExpansion(given, roles));
    };
    fc.assert(fc.property(scopes, validRoles, agree), { numRuns: 1_000 });
  });

  it('contains its input, and gives nothing more when expanded again', () => {
    fc.assert(
      fc.property(scopes, validRoles, (given, roles) => {
        const expanded = expand(given, roles);
        expect(holdsAll(expanded, given)).toBe(true);
        expect(expand(expanded, roles)).toEqual(expanded);
      }),
      { numRuns: 500 },
    );
  });

  it('is monotone: a wider scope never grants less, which is what the * of parameters is for', () => {
    fc.assert(
      fc.property(scopes, scope, validRoles, (given, narrow, roles) => {
        fc.pre(holdsScope(given, narrow));
        expect(holdsAll(expand(given, roles), expand([narrow], roles))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('ends on roles nobody validated, and agrees with the naive expansion where that ends', () => {
    const expandOrGiveUp = (given: string[], roles: Role[]) => {
      try {
        return [...expand(given, roles)].sort();
      } catch (error) {
        return String(error);
      }
    };
    fc.assert(
      fc.property(scopes, roleList, (given, roles) => {
        const result = expandOrGiveUp(given, roles);
        expect(result).toEqual(naiveExpansion(given, roles) ?? result);
      }),
      { numRuns: 300 },
    );
  });

  it('follows a cycle of exact roles once round', () => {
    const ring = ['a', 'b', 'c'].map((roleId, at) => ({ roleId, scopes: [`s:${roleId}`, `assume:${'bca'[at]}`] }));
    expect(expand(['assume:b'], ring)).toEqual(['assume:a', 'assume:b', 'assume:c', 's:a', 's:b', 's:c']);
  });

  it('gives up on a parameter that grows without end', () => {
    expect(() => expand(['assume:a'], [{ roleId: 'a*', scopes: ['assume:a<..>x'] }])).toThrow("through role 'a*'");
  });

  it('gives up on roles that multiply, but for whoever may do everything anyway', () => {
    const doubling = Array.from({ length: 40 }, (_, n) => ({
      roleId: `${n}/*`,
      scopes: [`assume:${n + 1}/<..>l`, `assume:${n + 1}/<..>r`],
    }));
    expect(roleProblem(doubling)).toContain('multiplies');
    expect(() => expand(['assume:0/'], doubling)).toThrow('too many scopes');
    const before = doubling.map(({ roleId }, n) => ({ roleId, scopes: [`assume:${n + 1}/l<..>`, `assume:${n + 1}/r<..>`] }));
    expect(() => expand(['assume:*'], before)).toThrow('too many scopes');
    expect(expand(['assume:0/', '*', 'a'], before)).toEqual(['*']);
  });

  it('copes with 2,000 scopes and 800 roles', () => {
    const roles = Array.from({ length: 800 }, (_, n) => ({
      roleId: n % 2 ? `exact-${n}` : `repo:${n}/*`,
      scopes: [`fixed:${n}`, `secret:${n}:<..>/x`, `assume:exact-${n + 1}`],
    }));
    const given = Array.from({ length: 2_000 }, (_, n) => `assume:repo:${n % 800}/${n}${n % 3 ? '' : '*'}`);
    expect(expand(given, roles).length).toBeGreaterThan(4_000);
    expect(expand(['assume:*'], roles).length).toBeGreaterThan(1_000);
    expect(roleProblem(roles)).toBeUndefined();
  });
});

it('what is left of scopes to somebody amounts to nothing that either did not amount to', () => {
  fc.assert(
    fc.property(validRoles, scopes, scopes, (roles, given, holder) => {
      const held = expand(holder, roles);
      const left = expand([...remainingScopes(given, held)], roles);
      expect([holdsAll(held, left), holdsAll(expand(given, roles), left)]).toEqual([true, true]);
    }),
    { numRuns: 2_000 },
  );
});
