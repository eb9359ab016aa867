import 'reflect-metadata';
import fc from 'fast-check';
import { compileRoles, expandScopes, type Role, roleProblem } from '../../../scopes/role-expansion.js';
import { holdsAll, holdsScope } from '../../../scopes/scope-set.js';
import { explainHolding, type Given } from './holding.js';

const ANONYMOUS = 'assume:anonymous';
const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 2 });
const scope = fc.tuple(fc.constantFrom('assume:', 'x:', ''), text).map(([start, end]) => start + end || 'x');
const scopes = fc.array(scope, { maxLength: 4 });
const role = fc.record({
  roleId: fc.constantFrom('a', 'a*', 'b*', 'anonymous'),
  scopes: fc.array(
    scope.map((one) => one.replace('b', '<..>')),
    { maxLength: 3 },
  ),
});
const roles = fc.array(role, { maxLength: 4 }).map((some) => some.filter((_, at) => roleProblem(some.slice(0, at + 1)) === undefined));

const layerOf = (list: readonly string[], by: Given['by'], because = '') => ({ scopes: list.map((one) => ({ scope: one, by })), because });

it('says what restricted credentials hold, as they are authenticated', () => {
  fc.assert(
    fc.property(scopes, scopes, scope, roles, (given, authorized, wanted, some: Role[]) => {
      if (roleProblem(some) !== undefined) return;
      const index = compileRoles(some);
      const held = expandScopes([...given, ANONYMOUS], index);
      if (!holdsAll(held, authorized)) return; // refused
      const restricted = expandScopes([...authorized, ANONYMOUS], index);
      const told = explainHolding(
        { layers: [layerOf(given, 'client'), layerOf(authorized, 'authorizedScopes', 'restricted')] },
        wanted,
        index,
      );
      expect(told.has).toBe(holdsScope(restricted, wanted));
      expect(told.derivation !== undefined).toBe(holdsScope(held, wanted));
      expect(told.nearest === undefined).toBe(told.derivation !== undefined);
      if (!told.has && told.derivation) expect(told.because).toBe('restricted');
      if (told.derivation) expect(['client', 'anonymous']).toContain(told.derivation[0]?.by);
    }),
    { numRuns: 3_000 },
  );
});

it('what is over holds nothing, however it would', () => {
  const told = explainHolding({ layers: [layerOf(['a'], 'client')], over: 'gone' }, 'a', []);
  expect(told).toEqual({ has: false, because: 'gone', derivation: [{ scope: 'a', by: 'client' }] });
});
