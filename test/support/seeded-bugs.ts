import type { SeededBug } from './issuing-code.js';

/** Mistakes in the algebra and around it, each of which lets somebody have more than there was to give, or less, or says so. */
export const SEEDED_BUGS: SeededBug[] = [
  {
    told: 'a prefix is enough, without a star',
    file: 'scopes/scope.ts',
    right: "return held.endsWith('*') && withoutStar(required).startsWith(withoutStar(held));",
    wrong: 'return withoutStar(required).startsWith(withoutStar(held));',
  },
  {
    told: 'a satisfies a*',
    file: 'scopes/scope.ts',
    right: 'if (held === required) return true;',
    wrong: 'if (withoutStar(held) === withoutStar(required)) return true;',
  },
  {
    told: 'a** satisfies a*',
    file: 'scopes/scope.ts',
    right: "return held.endsWith('*') && withoutStar(required).startsWith(withoutStar(held));",
    wrong: "return held.endsWith('*') && required.startsWith(withoutStar(held));",
  },
  {
    told: 'a* satisfies ab, but not a',
    file: 'scopes/scope.ts',
    right: "return held.endsWith('*') && withoutStar(required).startsWith(withoutStar(held));",
    wrong: "return held.endsWith('*') && withoutStar(required).startsWith(withoutStar(held)) && required.length >= held.length;",
  },
  {
    told: 'a scope may have a space',
    file: 'scopes/scope.ts',
    right: String.raw`/^[\x21\x23-\x5B\x5D-\x7E]+$/`,
    wrong: String.raw`/^[\x20\x21\x23-\x5B\x5D-\x7E]+$/`,
  },
  {
    told: 'what stands behind the parameter is always dropped',
    file: 'scopes/role-expansion.ts',
    right: "(parameter.endsWith('*') ? '' : after)",
    wrong: "''",
  },
  {
    told: 'what stands behind the parameter is never dropped',
    file: 'scopes/role-expansion.ts',
    right: "(parameter.endsWith('*') ? '' : after)",
    wrong: 'after',
  },
  {
    told: 'every parameter ends in a star',
    file: 'scopes/role-expansion.ts',
    right: 'yield [role, name.slice(role.stem.length)];',
    wrong: "yield [role, name.slice(role.stem.length).concat('*')];",
  },
  {
    told: 'a pattern matches whatever comes after it in order',
    file: 'scopes/role-expansion.ts',
    right: 'if (role.isPattern && stem.startsWith(role.stem)) yield',
    wrong: 'if (role.isPattern) yield',
  },
  {
    told: 'a role is assumed by the beginning of its name',
    file: 'scopes/role-expansion.ts',
    right: 'if (isOpen ? !role.stem.startsWith(stem) : role.stem !== stem) return;',
    wrong: 'if (!role.stem.startsWith(stem)) return;',
  },
  {
    told: 'a star below a pattern gives all of its parameter',
    file: 'scopes/role-expansion.ts',
    right: 'yield [role, name.slice(role.stem.length)];',
    wrong: "yield [role, isOpen ? '*' : name.slice(role.stem.length)];",
  },
  {
    told: 'the normal form keeps the narrower of two',
    file: 'scopes/scope-set.ts',
    right: 'if (last === undefined || !satisfies(last, next)) normal.push(next);',
    wrong: 'if (last !== undefined && satisfies(last, next)) normal.pop();\n  normal.push(next);',
  },
  {
    told: 'the normal form makes a* of a and ab',
    file: 'scopes/scope-set.ts',
    right: 'if (last === undefined || !satisfies(last, next)) normal.push(next);',
    wrong:
      "if (last === undefined || !next.startsWith(withoutStar(last))) normal.push(next);\n  else normal.push(withoutStar(last).concat('*'));",
  },
  {
    told: 'one held scope is enough for all',
    file: 'scopes/scope-set.ts',
    right: 'return required.every((scope) => normalHolds(normal, scope));',
    wrong: 'return required.length === 0 || required.some((scope) => normalHolds(normal, scope));',
  },
  {
    told: 'what two sets have in common is what either has',
    file: 'scopes/scope-set.ts',
    right: '...right.filter((scope) => normalHolds(left, scope))',
    wrong: '...right',
  },
  {
    told: 'a run keeps what its creator has lost',
    file: 'scopes/scope-set.ts',
    right: '? scopes : intersectScopes(scopes, normal)',
    wrong: '? scopes : normalizeScopes(scopes)',
  },
  {
    told: 'a certificate may say more than its issuer holds',
    file: 'credentials/certificate.ts',
    right: 'if (!holdsAll(issuer.scopes, scopes)) {',
    wrong: 'if (scopes.length > 2 && !holdsAll(issuer.scopes, scopes)) {',
  },
  {
    told: 'scopes are joined without a look at what comes back',
    file: 'credentials/task-token.ts',
    right: 'if (same && scopes.every(isScope)) return joined;',
    wrong: 'if (same || joined) return joined;',
  },
  {
    told: 'a run may be its worker by a pattern',
    file: 'credentials/run-grant.ts',
    right: 'scope.startsWith(name) && satisfies(scope, ',
    wrong: 'scope.startsWith(name) && [scope].includes(',
  },
  {
    told: 'authorizedScopes that a reduced run had are all left to it',
    file: 'credentials/run-grant.ts',
    right: '      authorizedScopes.filter((scope) => !once.has(scope)),\n      held,',
    wrong: '      authorizedScopes.filter((scope) => !once.has(scope)),\n      had,',
  },
];
