import fc from 'fast-check';
import { type Role, roleProblem } from './role-expansion.js';
import { satisfies } from './scope.js';

const role = (roleId: string, ...scopes: string[]): Role => ({ roleId, scopes });
const text = (minLength: number) => fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength, maxLength: 3 });
const template = fc.tuple(fc.constantFrom('x', 'assume:'), text(0), fc.constantFrom('', '<..>'), text(0)).map((parts) => parts.join(''));
const roleList = fc.array(fc.record({ roleId: text(1), scopes: fc.array(template, { maxLength: 2 }) }), { maxLength: 5 });

/** Whether some role reaches itself, by the whole table of which role assumes which when every parameter is `*`. */
function naiveHasCycle(roles: Role[]): boolean {
  const reaches = roles.map(({ roleId, scopes }) => {
    const worst = scopes.map((scope) => (roleId.endsWith('*') ? scope.replace(/<\.\.>.*/, '*') : scope));
    return roles.map((other) =>
      worst.some((scope) => [scope, `assume:${other.roleId}`].some((a, at, both) => satisfies(a, both[1 - at]!))),
    );
  });
  for (const k of roles.keys()) {
    for (const i of roles.keys()) for (const j of roles.keys()) reaches[i]![j] ||= reaches[i]![k]! && reaches[k]![j]!;
  }
  return roles.some((_, at) => reaches[at]![at]);
}

describe('roleProblem', () => {
  it.each<[string, Role[]]>([
    ['nothing at all', []],
    ['a chain', [role('a', 'assume:b', 's'), role('b', 'assume:c'), role('c', '<..><..>')]],
    ['two ways to one role', [role('a', 'assume:b', 'assume:c'), role('b', 'assume:d'), role('c', 'assume:d'), role('d')]],
    ['a parameter passed down', [role('repo:*', 'x:<..>/y', 'assume:team:<..>'), role('team:*', 't:<..>')]],
    ['a star away from the end', [role('a*', 'x*<..>y', '*<..>y:*')]],
    ['a scope that only looks like assume', [role('a', 'asXume:*', 'assumes:*', 'b*')]],
    ['a parameter sign as plain text', [role('a', 'x*<..>', '<..>:<..>')]],
  ])('accepts %s', (_, roles) => expect(roleProblem(roles)).toBeUndefined());

  it.each<[string, Role[]]>([
    ["role 'b*': scope 'x:<..>:<..>' has more than one <..>; keep one", [role('a'), role('b*', 'x:<..>:<..>')]],
    ["role 'b*': scope 'x<..><..>' has more than one <..>; keep one", [role('b*', 'x<..><..>')]],
    ["role 'b*': scope 'x*<..>' becomes a wildcard when nothing stands for its <..>; remove the * before it", [role('b*', 'x*<..>')]],
    ["role 'a' grants itself: 'a' -> 'a'; ", [role('a', 'assume:a')]],
    ["role 'c' grants itself: 'c' -> 'b' -> 'c'; ", [role('a', 'assume:b'), role('b', 'assume:c'), role('c', 'assume:b')]],
    ["role 'a*' grants itself: 'a*' -> 'a*'; ", [role('a*', 'assume:a<..>')]],
    ["role '*' grants itself: '*' -> '*'; ", [role('*', 'assume:<..>')]],
    ["role '*' grants itself: ", [role('*', '<..>')]],
    ["role 'ab*' grants itself: ", [role('ab*', 'assume:a<..>zzz')]],
    ["role 'a' grants itself: ", [role('a', '*')]],
    ["role 'a' grants itself: ", [role('a', 'assu*')]],
    ["role 'a' grants itself: ", [role('a', 'assume:*')]],
  ])('says %s', (message, roles) => expect(roleProblem(roles)).toContain(message));

  it('says how to break a cycle', () => {
    expect(roleProblem([role('a', 'assume:a')])).toContain('remove from one of them the scope that assumes the next');
  });

  it('finds a cycle exactly when some role reaches itself', () => {
    fc.assert(
      fc.property(roleList, (roles) => {
        const problem = roleProblem(roles);
        fc.pre(problem === undefined || problem.includes('grants itself'));
        expect(problem !== undefined).toBe(naiveHasCycle(roles));
      }),
      { numRuns: 2_000 },
    );
  });

  it('names a real way round', () => {
    fc.assert(
      fc.property(roleList, (roles) => {
        const way = [...(roleProblem(roles) ?? '').matchAll(/'([^']+)'(?= ->|;)/g)].map(([, roleId]) => roleId);
        fc.pre(way.length > 0);
        expect(way.length).toBeGreaterThan(1);
        expect(way.at(-1)).toBe(way[0]);
        expect(naiveHasCycle(roles.filter(({ roleId }) => way.includes(roleId)))).toBe(true);
      }),
    );
  });

  const chained = (length: number, ...templates: string[]) =>
    Array.from({ length }, (_, n) => role(`c${n}:*`, ...templates.map((one) => `assume:c${n + 1}:${one}`)));

  it.each([
    ['behind the parameter', chained(40, '<..>a', '<..>b')],
    ['before the parameter', chained(40, 'a<..>', 'b<..>')],
    ['behind what the parameter must begin with', chained(40, '<..>a', '<..>b').map((one, n) => ({ ...one, roleId: `c${n}:q*` }))],
    ['in patterns within each other', chained(40, '<..>a').flatMap((one, n) => [one, { ...one, roleId: `c${n}:q*` }])],
  ])('refuses roles that multiply by what stands %s', (_, roles) => expect(roleProblem(roles)).toMatch(/^role 'c\d+:.*multiplies/));

  it('refuses much fixed that makes much each', () => {
    const many = role('many', ...Array.from({ length: 2_000 }, (_, n) => `assume:c0:${n}`));
    expect(roleProblem(chained(10, '<..>a', '<..>b'))).toBeUndefined();
    expect(roleProblem([...chained(10, '<..>a', '<..>b'), many])).toMatch(/too many scopes to expand, the last ones through role 'c\d:\*'/);
  });

  it('does not mistake many roles of which a parameter chooses one for roles that multiply', () => {
    const level = (name: string, next: string) => Array.from({ length: 300 }, (_, n) => role(`${name}:${n}/*`, `assume:${next}:<..>`));
    expect(roleProblem([...level('a', 'b'), ...level('b', 'c'), ...level('c', 'd'), ...level('d', 'e')])).toBeUndefined();
  });

  it('does not depend on the depth of the stack', () => {
    const chain = Array.from({ length: 20_000 }, (_, n) => role(`r${n}.`, `assume:r${n + 1}.`));
    expect(roleProblem(chain)).toBeUndefined();
    expect(roleProblem([...chain, role('r20000.', 'assume:r0.')])).toContain('grants itself');
  });
});
