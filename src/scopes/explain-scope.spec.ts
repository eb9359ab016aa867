import fc from 'fast-check';
import { derivationOf, deriveScopes, explainScope, type Step } from './explain-scope.js';
import { grantingRoles } from './granting-roles.js';
import { compileRoles, expandScopes, type Role, roleProblem } from './role-expansion.js';
import { satisfies } from './scope.js';
import { holdsScope } from './scope-set.js';

const text = (minLength: number) => fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength, maxLength: 3 });
const template = fc
  .tuple(fc.constantFrom('x:', 'y', 'assume:'), text(0), fc.constantFrom('', '<..>'), text(0))
  .map((parts) => parts.join(''));
const roleList = fc.array(fc.record({ roleId: text(1), scopes: fc.array(template, { maxLength: 3 }) }), { maxLength: 6 });
const validRoles = roleList.map((roles) => {
  const kept: Role[] = [];
  for (const role of roles) {
    kept.push(role);
    if (roleProblem(kept) !== undefined) kept.pop();
  }
  return kept;
});
const scope = fc.oneof(
  { arbitrary: text(0).map((name) => `assume:${name}`), weight: 4 },
  { arbitrary: text(0).map((name) => `x:${name}`), weight: 2 },
  fc.constantFrom('*', 'a*', 'assume*', 'asXume:*', 'y', 'x:a*'),
);
const scopes = fc.array(scope, { maxLength: 4 });
const without = fc
  .constantFrom(undefined, 'assume:a', 'x:', 'y')
  .map((start) => (one: string) => start !== undefined && one.startsWith(start));

/** With which parameter a scope assumes a role, by comparing the two as patterns: not how it is done, but what it means. */
function parameterBetween(given: string, roleId: string): string | undefined {
  const pattern = `assume:${roleId}`;
  const [a, b] = [given.replace(/\*$/, ''), pattern.replace(/\*$/, '')];
  if (a === given && b === pattern) return a === b ? '' : undefined;
  if (b !== pattern && a.startsWith(b)) return given.slice(b.length);
  return a !== given && b.startsWith(a) ? '*' : undefined;
}

/** Every step by itself: the scope before it assumes the role with this parameter, the role has the template, and this is what it makes. */
function expectSound(derivation: Step[], held: readonly string[], roles: Role[]): void {
  expect(held).toContain(derivation[0]?.scope);
  expect(derivation[0]?.role).toBeUndefined();
  for (const [at, { scope: granted, role }] of derivation.slice(1).entries()) {
    const stored = roles.filter(({ roleId, scopes: own }) => roleId === role?.roleId && own.includes(role.template));
    expect(stored).not.toEqual([]);
    const parameter = parameterBetween(derivation[at]!.scope, role!.roleId);
    const isPattern = role!.roleId.endsWith('*');
    expect(role!.parameter).toBe(isPattern ? parameter : '');
    expect(parameter).toBeDefined();
    const sign = isPattern ? (parameter!.endsWith('*') ? /<\.\.>.*/ : '<..>') : /$^/;
    expect(granted).toBe(role!.template.replace(sign, () => parameter!));
  }
}

/** How many roles it takes at least, by trying round after round; undefined if no number does. */
function fewestRoles(held: readonly string[], roles: Role[], wanted: string): number | undefined {
  let known = new Set(held);
  for (let rounds = 0; rounds < 12; rounds++) {
    if ([...known].some((one) => satisfies(one, wanted))) return rounds;
    const next = new Set(known);
    for (const { roleId, scopes: granted } of roles) {
      for (const given of known) {
        const parameter = /^(assume:|(|a|as|ass|assu|assum|assume)\*$)/.test(given) ? parameterBetween(given, roleId) : undefined;
        const sign = roleId.endsWith('*') ? (parameter?.endsWith('*') ? /<\.\.>.*/ : '<..>') : /$^/;
        if (parameter !== undefined) for (const name of granted) next.add(name.replace(sign, () => parameter));
      }
    }
    if (next.size === known.size) return undefined;
    known = next;
  }
  return undefined;
}

const ROLES: Role[] = [
  { roleId: 'repo:gh/*', scopes: ['secrets:get:<..>', 'assume:team:<..>', 'fixed'] },
  { roleId: 'team:*', scopes: ['team:<..>/read', 'assume:exact'] },
  { roleId: 'exact', scopes: ['e:1', 'plain:<..>'] },
  { roleId: 'admin', scopes: ['assume:repo:*'] },
];
const explain = (held: string[], wanted: string, roles = ROLES) => explainScope(held, compileRoles(roles), wanted);
const grants = (wanted: string, roles = ROLES) => grantingRoles(compileRoles(roles), wanted).map(([first]) => first?.scope);

describe('explainScope', () => {
  it('tells the way by the roles, with what stands for <..>', () => {
    expect(explain(['z', 'assume:repo:gh/a'], 'e:1')).toEqual({
      has: true,
      derivation: [
        { scope: 'assume:repo:gh/a' },
        { scope: 'assume:team:a', role: { roleId: 'repo:gh/*', template: 'assume:team:<..>', parameter: 'a' } },
        { scope: 'assume:exact', role: { roleId: 'team:*', template: 'assume:exact', parameter: 'a' } },
        { scope: 'e:1', role: { roleId: 'exact', template: 'e:1', parameter: '' } },
      ],
    });
  });

  it('takes what is held over what a role grants, and the nearest role over others', () => {
    expect(explain(['assume:admin', 'e:*'], 'e:1')).toEqual({ has: true, derivation: [{ scope: 'e:*' }] });
    expect(explain(['assume:admin', 'assume:exact'], 'e:1')).toMatchObject({ derivation: [{ scope: 'assume:exact' }, { scope: 'e:1' }] });
    expect(explain(['assume:admin', '*'], 'e:1')).toEqual({ has: true, derivation: [{ scope: '*' }] });
  });

  it('tells what comes nearest, with the way to it', () => {
    const nearest = explain(['assume:repo:gh/a', 'secrets:put:a', 'secrets:get:', 'other:thing'], 'secrets:get:ab');
    expect(nearest).toEqual({
      has: false,
      nearest: [
        [{ scope: 'assume:repo:gh/a' }, { scope: 'secrets:get:a', role: expect.objectContaining({ parameter: 'a' }) }],
        [{ scope: 'secrets:get:' }],
        [{ scope: 'secrets:put:a' }],
      ],
    });
    expect(explain(['a', 'b:c'], 'x:y')).toEqual({ has: false, nearest: [] });
    expect(
      explain(
        Array.from({ length: 50 }, (_, n) => `x:${n}`),
        'x:y',
      ),
    ).toMatchObject({ nearest: { length: 5 } });
  });

  it('says has where expandScopes does, and nowhere else', () => {
    fc.assert(
      fc.property(scopes, scope, validRoles, without, (held, wanted, roles, leaveOut) => {
        const index = compileRoles(roles);
        const { has } = explainScope(held, index, wanted, { leaveOut });
        expect(has).toBe(holdsScope(expandScopes(held, index, { leaveOut }), wanted));
      }),
      { numRuns: 2_000 },
    );
  });

  it('says so on roles nobody validated, too, unless that gives up', () => {
    fc.assert(
      fc.property(scopes, scope, roleList, (held, wanted, roles) => {
        const index = compileRoles(roles);
        let expanded: string[];
        try {
          expanded = expandScopes(held, index, { maxCost: 20_000 });
        } catch {
          return;
        }
        expect(explainScope(held, index, wanted, { maxCost: 20_000 }).has).toBe(holdsScope(expanded, wanted));
      }),
      { numRuns: 500 },
    );
  });

  it('takes only steps that are so, to a scope that satisfies, by no more roles than it takes', () => {
    fc.assert(
      fc.property(scopes, scope, validRoles, (held, wanted, roles) => {
        const explanation = explainScope(held, compileRoles(roles), wanted);
        const fewest = held.includes('*') ? 0 : fewestRoles(held, roles, wanted);
        expect(explanation.has ? explanation.derivation.length - 1 : undefined).toBe(fewest);
        for (const way of explanation.has ? [explanation.derivation] : explanation.nearest) expectSound(way, held, roles);
        if (explanation.has) expect(satisfies(explanation.derivation.at(-1)!.scope, wanted)).toBe(true);
        else expect(explanation.nearest.filter((way) => satisfies(way.at(-1)!.scope, wanted))).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('neither grants nor follows what is left out', () => {
    const leaveOut = (one: string) => one.startsWith('assume:team');
    expect(explainScope(['assume:repo:gh/a', 'assume:team:b'], compileRoles(ROLES), 'e:1', { leaveOut }).has).toBe(false);
  });

  it('gives up on roles that multiply, and on a parameter that grows without end, soon', () => {
    const doubling = Array.from({ length: 40 }, (_, n) => ({
      roleId: `${n}/*`,
      scopes: ['l', 'r'].map((way) => `assume:${n + 1}/<..>${way}`),
    }));
    const started = performance.now();
    expect(() => explain(['assume:0/'], 'x:y', doubling)).toThrow('too many scopes to expand');
    expect(() => explain(['assume:a'], 'x:y', [{ roleId: 'a*', scopes: ['assume:a<..>x'] }])).toThrow("through role 'a*'");
    expect(performance.now() - started).toBeLessThan(10_000); // half a second each where nobody else is at work
    expect(explain(['assume:0/', '*'], 'x:y', doubling).has).toBe(true);
  });

  it('costs about what expandScopes does, however long and alike the scopes', () => {
    const held = Array.from({ length: 30_000 }, (_, n) => `x:${'y'.repeat(990)}${n}`);
    const wanted = `x:${'y'.repeat(990)}z`;
    const cost = (work: () => unknown) => {
      const before = process.cpuUsage();
      work();
      return process.cpuUsage(before).user;
    };
    // in turns, so that whatever else the machine does meanwhile is in both
    const rounds = Array.from({ length: 6 }, () => [cost(() => explain(held, wanted, [])), cost(() => expandScopes(held, []))] as const);
    const least = (which: 0 | 1) => Math.min(...rounds.map((round) => round[which]));
    expect(least(0)).toBeLessThan(3 * least(1)); // 1.3 times; by characters ten times
  });

  it('tells those that share the most, whatever came before them', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(
          text(1).map((end) => `x:${end}`),
          { maxLength: 12 },
        ),
        text(1),
        (held, end) => {
          const wanted = `x:${end}`;
          const explanation = explainScope(held, [], wanted);
          if (explanation.has) return;
          const stem = wanted.replace(/\*$/, '');
          const sharedOf = (one: string) => [...`${one.replace(/\*$/, '')}\n`].findIndex((sign, at) => sign !== stem[at]);
          const nearest = held
            .map((one, at) => ({ one, at }))
            .sort((a, b) => sharedOf(b.one) - sharedOf(a.one) || a.at - b.at)
            .slice(0, 5);
          expect(explanation.nearest.map(([first]) => first?.scope)).toEqual(nearest.map(({ one }) => one));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('ends with what was found, however much would follow', () => {
    const endless = [{ roleId: 'a*', scopes: ['assume:a<..>x', 'found'] }];
    expect(explain(['assume:a'], 'found', endless)).toMatchObject({ has: true, derivation: { length: 2 } });
  });
});

describe('deriveScopes', () => {
  it('is all that expandScopes grants, each with a way that is so', () => {
    fc.assert(
      fc.property(scopes, validRoles, (held, roles) => {
        const index = compileRoles(roles);
        const derivations = deriveScopes(held, index);
        for (const one of expandScopes(held, index)) expect(derivations.has(one)).toBe(true);
        for (const one of derivations.keys()) expectSound(derivationOf(derivations, one), held, roles);
      }),
      { numRuns: 500 },
    );
  });
});

describe('grantingRoles', () => {
  it('tells whom to be, the most direct first', () => {
    expect(grants('secrets:get:foo')).toEqual(['assume:repo:gh/foo', 'assume:admin']);
    expect(grants('team:foo/read')).toEqual(['assume:team:foo', 'assume:repo:gh/foo', 'assume:admin']);
    expect(grants('team:foo/write')).toEqual(['assume:team:foo/write*', 'assume:repo:gh/foo/write*', 'assume:admin']);
    expect(grants('secrets:get:*')).toEqual(['assume:repo:gh/*', 'assume:admin']);
    expect(grants('plain:x')).toEqual([]);
    expect(grants('e:1')).toEqual(['assume:exact', 'assume:team:', 'assume:repo:gh/', 'assume:admin']);
  });

  it('tells nothing of roles that may not be named, nor of what is left out', () => {
    const index = compileRoles(ROLES);
    const named = (mayName: (roleId: string) => boolean) => grantingRoles(index, 'e:1', { mayName }).map(([first]) => first?.scope);
    expect(named((roleId) => roleId === 'exact')).toEqual(['assume:exact']);
    expect(named((roleId) => roleId !== 'exact')).toEqual([]);
    const leaveOut = (one: string) => one.startsWith('assume:team:');
    expect(grantingRoles(index, 'e:1', { leaveOut }).map(([first]) => first?.scope)).toEqual(['assume:exact']);
  });

  it('names no role that may not be named, be it in between: not the way by it, and not who begins it', () => {
    const index = compileRoles([
      { roleId: 'top', scopes: ['assume:hidden', 'assume:plain'] }, // followed in this order
      { roleId: 'hidden', scopes: ['x:y'] },
      { roleId: 'plain', scopes: ['x:y'] },
    ]);
    const named = (mayName: (roleId: string) => boolean) => grantingRoles(index, 'x:y', { mayName });
    expect(named(() => true).map(([first]) => first?.scope)).toEqual(['assume:hidden', 'assume:plain', 'assume:top']);
    const told = named((roleId) => roleId !== 'hidden');
    expect(told.map(([first]) => first?.scope)).toEqual(['assume:plain']);
    expect(JSON.stringify(told)).not.toContain('hidden');
  });

  it('follows nobody through more scopes than an answer is worth, also where each is there as it is', () => {
    const big = Array.from({ length: 30_000 }, (_, n) => `other:${n}`);
    const roles = [
      { roleId: 'top', scopes: ['assume:big', 'assume:small'] },
      { roleId: 'big', scopes: big },
      { roleId: 'small', scopes: ['x:y'] },
    ];
    expect(grants('x:y', roles)).toEqual(['assume:small']);
    expect(grants('x:y', [roles[0]!, { roleId: 'big', scopes: big.slice(0, 3_000) }, roles[2]!])).toEqual(['assume:small', 'assume:top']);
  });

  it('tells only what is so', () => {
    fc.assert(
      fc.property(scope, validRoles, without, (wanted, roles, leaveOut) => {
        const index = compileRoles(roles);
        for (const way of grantingRoles(index, wanted, { leaveOut })) {
          const given = way[0]!.scope;
          expectSound(way, [given], roles);
          expect(holdsScope(expandScopes([given], index, { leaveOut }), wanted)).toBe(true);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('finds a role wherever one grants just that', () => {
    fc.assert(
      fc.property(scope, validRoles, (wanted, roles) => {
        const some = roles.some(({ scopes: own, roleId }) =>
          own.some((one) => !(roleId.endsWith('*') && one.includes('<..>')) && satisfies(one, wanted)),
        );
        if (some) expect(grantingRoles(compileRoles(roles), wanted)).not.toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is bounded in what it tells and how long it takes, whatever the roles', () => {
    const many = Array.from({ length: 5_000 }, (_, n) => ({
      roleId: `r${n}/*`,
      scopes: ['x:<..>', `assume:r${(n + 1) % 5_000}/<..>a`, `assume:r${(n + 2) % 5_000}/<..>b`],
    }));
    const wide = Array.from({ length: 50 }, (_, n) => ({
      roleId: `w${n}`,
      scopes: Array.from({ length: 10_000 }, (_, at) => `other:${at}`),
    }));
    const started = performance.now();
    expect(grants('x:y', many)).toHaveLength(10);
    expect(grants('assume:r7/zba', many).length).toBeLessThanOrEqual(10);
    expect(grants('other:9999', wide).length).toBeLessThanOrEqual(10);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
