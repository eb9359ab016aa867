import { satisfies, withoutStar } from './scope.js';
import { compareScopes, normalizeScopes } from './scope-set.js';

/**
 * Holding `assume:<roleId>` grants the scopes of the role, and what those grant in turn. A role id ending in `*` is a pattern; in its
 * scopes `<..>` stands for what the `*` matched. In the scopes of any other role `<..>` is plain text.
 */
export interface Role {
  roleId: string;
  scopes: readonly string[];
}

/** Roles made ready by `compileRoles`, ordered by id. Read-only, so one index can serve any number of requests. */
export type RoleIndex = readonly CompiledRole[];

/** A role of such an index. */
export interface CompiledRole {
  roleId: string;
  stem: string;
  isPattern: boolean;
  fixed: readonly string[];
  parameterised: readonly Template[];
  /** The pattern with the longest stem that this role's stem begins with: following these leads to every pattern that matches it. */
  within: CompiledRole | undefined;
}

/** A scope of a pattern, around its `<..>`. */
export interface Template {
  before: string;
  after: string;
}

export const ASSUME = 'assume:';
export const PARAMETER = '<..>';

/**
 * What one expansion may cost: one for each match of a role, one for each scope that is granted as it is, and one for each character of the
 * scopes built from parameters. 2,000 scopes against 800 roles cost some hundred thousands; the bound itself is reached in under half a second. It is there for roles that pass a
 * growing parameter to themselves, and for chains in which each role passes on two different ones: twenty such roles, with no cycle among
 * them, make a million scopes of one.
 */
const MAX_COST = 10_000_000;

/** Roles are refused where assuming them all costs more: the rest is for what callers assume besides, anonymous ones among them. */
const MAX_STORED_COST = MAX_COST / 2;

/** So many scopes may come of one parameter: with one of 500 characters they still cost no more than the other half of the bound. */
const MAX_GROWTH = 10_000;

/**
 * Makes roles ready for `expandScopes`, in any number and also if `roleProblem` finds fault with them. O(n log n): once per change of
 * roles.
 */
export function compileRoles(roles: readonly Role[]): RoleIndex {
  const index: CompiledRole[] = [];
  let within: CompiledRole | undefined;
  for (const role of [...roles].sort((a, b) => compareScopes(a.roleId, b.roleId))) {
    while (within && !role.roleId.startsWith(within.stem)) within = within.within;
    const compiled = compileRole(role, within);
    if (compiled.isPattern) within = compiled;
    index.push(compiled);
  }
  return index;
}

export interface ExpansionOptions {
  maxCost?: number;
  /** Scopes that are neither granted nor followed, wherever they come from. */
  leaveOut?: (scope: string) => boolean;
}

const nothing = () => false;
const goOn = () => true;

/**
 * The scopes and everything the roles make of them, normalised. An `assume:` scope with a final `*` assumes every role it could name: under
 * a pattern's stem the parameter then ends in `*` too, and what stands after `<..>` is dropped, because `x:b*` has to cover `x:by/z` for
 * all y. `*`, `a*` … `assume*` satisfy `assume:` and so assume every role. Not cached here. Throws as `followRoles`.
 */
export function expandScopes(scopes: readonly string[], roles: RoleIndex, options: ExpansionOptions = {}): string[] {
  return normalizeScopes(followRoles(scopes, roles, options));
}

/** Is told a scope that a role grants, and what it comes of: the scope that assumes the role, and what of that role it is. */
export type Granted = (scope: string, from: string, role: CompiledRole, template: Template | string, parameter: string) => boolean;

/**
 * The scopes and everything the roles make of them, each once, not normalised: breadth first, so each comes by the fewest roles that lead to
 * it. `granted` is told each as it is found, and ends the search with `false`. A callback: with a generator this took a third longer.
 *
 * It ends on any roles, validated or not: where they multiply beyond the bound it throws an Error that names a role to look at. With `*`
 * there is nothing to look up: whatever the roles are, whoever may do everything is not kept from mending them.
 */
export function followRoles(
  scopes: readonly string[],
  roles: RoleIndex,
  { maxCost = MAX_COST, leaveOut = nothing }: ExpansionOptions,
  granted: Granted = goOn,
): Set<string> {
  const held = new Set(followed(scopes, leaveOut));
  if (held.has('*')) return held;
  const assumed = new Set<CompiledRole>();
  let cost = 0;
  // A Set is iterated through to what is added on the way: it is both the worklist and the memory of what was done.
  for (const from of held) {
    for (const [role, parameter] of rolesAssumed(roles, from)) {
      cost++;
      const { fixed, parameterised } = role;
      const templates = assumed.has(role) ? parameterised : [...fixed, ...parameterised]; // what is fixed is the same each time
      for (const template of templates) {
        const scope = typeof template === 'string' ? template : insert(template, parameter);
        cost += typeof template === 'string' ? 1 : scope.length;
        if (cost > maxCost) break;
        if (held.has(scope) || leaveOut(scope)) continue;
        held.add(scope);
        if (!granted(scope, from, role, template, parameter)) return held;
      }
      if (cost > maxCost) throw new Error(`the roles grant too many scopes to expand, the last ones through role '${role.roleId}'`);
      assumed.add(role);
    }
  }
  return held;
}

/** Those of the scopes that are followed; beside `*` nothing is. */
export function followed(scopes: readonly string[], leaveOut: (scope: string) => boolean = nothing): string[] {
  return scopes.includes('*') ? ['*'] : scopes.filter((scope) => !leaveOut(scope));
}

/**
 * Why a set of roles must not be stored, with the role and what to do about it; undefined if it may. To be asked of the whole set at every
 * change of one role. Cycles are judged as if every pattern were assumed with the parameter `*`, so that a set without one stays without,
 * whatever scopes callers hold. It follows that no role may grant `*` or `assume:*`: they assume every role, also the one that grants them.
 *
 * Roles without a cycle may still multiply, each passing on two parameters to the next. One caller after another would then be refused
 * for what somebody else stored, so such a set is a problem too.
 */
export function roleProblem(roles: readonly Role[]): string | undefined {
  return roles.map(parameterProblem).find((problem) => problem !== undefined) ?? wholeProblem(compileRoles(roles));
}

function compileRole({ roleId, scopes }: Role, within: CompiledRole | undefined): CompiledRole {
  const stem = withoutStar(roleId);
  const isPattern = stem !== roleId;
  const takesParameter = (scope: string) => isPattern && scope.includes(PARAMETER);
  const parameterised = scopes.filter(takesParameter).map((scope) => {
    const at = scope.indexOf(PARAMETER);
    return { before: scope.slice(0, at), after: scope.slice(at + PARAMETER.length) };
  });
  return { roleId, stem, isPattern, fixed: scopes.filter((scope) => !takesParameter(scope)), parameterised, within };
}

/** The scope that a template makes of a parameter. */
export function insert({ before, after }: Template, parameter: string): string {
  return before + parameter + (parameter.endsWith('*') ? '' : after);
}

/** The roles one scope assumes, each with its parameter. In order of ids the roles below a stem are neighbours; those above are linked. */
function* rolesAssumed(roles: RoleIndex, scope: string): Generator<[CompiledRole, string]> {
  const name = roleNamed(scope);
  if (name === undefined) return;
  const stem = withoutStar(name);
  const isOpen = stem !== name;
  const first = firstFrom(roles, stem);
  for (let role = roles[first - 1]; role; role = role.within) {
    if (role.isPattern && stem.startsWith(role.stem)) yield [role, name.slice(role.stem.length)];
  }
  for (let at = first; at < roles.length; at++) {
    const role = roles[at]!;
    if (isOpen ? !role.stem.startsWith(stem) : role.stem !== stem) return;
    yield [role, isOpen ? '*' : ''];
  }
}

function roleNamed(scope: string): string | undefined {
  if (scope.startsWith(ASSUME)) return scope.slice(ASSUME.length);
  return satisfies(scope, ASSUME) ? '*' : undefined;
}

/** The place of the first role whose stem is not before the given one. */
function firstFrom(roles: RoleIndex, stem: string): number {
  let low = 0;
  let high = roles.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (roles[middle]!.stem < stem) low = middle + 1;
    else high = middle;
  }
  return low;
}

function parameterProblem({ roleId, scopes }: Role): string | undefined {
  if (!roleId.endsWith('*')) return undefined;
  const repeated = scopes.find((scope) => scope.split(PARAMETER).length > 2);
  if (repeated !== undefined) return `role '${roleId}': scope '${repeated}' has more than one <..>; keep one`;
  const ambiguous = scopes.find((scope) => scope.endsWith(`*${PARAMETER}`));
  if (ambiguous === undefined) return undefined;
  return `role '${roleId}': scope '${ambiguous}' becomes a wildcard when nothing stands for its <..>; remove the * before it`;
}

function wholeProblem(roles: RoleIndex): string | undefined {
  const order = new Set<CompiledRole>();
  return cycleProblem(roles, order) ?? growthProblem(roles, order) ?? costProblem(roles);
}

function cycleProblem(roles: RoleIndex, order: Set<CompiledRole>): string | undefined {
  const cycle = findCycle(roles, order)?.map(({ roleId }) => `'${roleId}'`);
  if (cycle === undefined) return undefined;
  const fix = 'remove from one of them the scope that assumes the next (assume:* assumes every role)';
  return `role ${cycle[0]} grants itself: ${cycle.join(' -> ')}; ${fix}`;
}

/**
 * Depth first without recursion: a role stays on the stack while what it grants is looked at, so `path` holds the way to the present one. Without a cycle
 * `done` ends with all the roles, each after all that it grants.
 */
function findCycle(roles: RoleIndex, done: Set<CompiledRole>): CompiledRole[] | undefined {
  const stack = [...roles];
  const path = new Set<CompiledRole>();
  for (let role = stack.at(-1); role; role = stack.at(-1)) {
    if (done.has(role) || path.delete(role)) {
      done.add(role);
      stack.pop();
      continue;
    }
    path.add(role);
    for (const next of rolesGranted(roles, role)) {
      if (path.has(next)) return endOfWay([...path, next]);
      if (!done.has(next)) stack.push(next);
    }
  }
  return undefined;
}

/** The part of a way that starts where its last role comes first. */
function endOfWay(way: CompiledRole[]): CompiledRole[] {
  return way.slice(way.indexOf(way.at(-1)!));
}

function* rolesGranted(roles: RoleIndex, { fixed, parameterised }: CompiledRole): Generator<CompiledRole> {
  // each once: however many templates a role has, with `*` many of them are the same
  for (const scope of new Set([...fixed, ...parameterised.map((template) => insert(template, '*'))])) {
    for (const [role] of rolesAssumed(roles, scope)) yield role;
  }
}

/**
 * Counts what can at most come of one parameter, whatever it is; trying some out would not do, because a parameter may begin with whatever
 * leads on. What is fixed does not count: it is granted once, and `costProblem` assumes all of it.
 */
function growthProblem(roles: RoleIndex, order: Iterable<CompiledRole>): string | undefined {
  const growth = new Map<CompiledRole, number>();
  const known = new Map<string, number>();
  for (const role of order) {
    let sum = 1;
    for (const template of role.parameterised) {
      const scope = insert(template, '*');
      const further = known.get(scope) ?? mostOf(roles, scope, growth);
      known.set(scope, further);
      sum += 1 + further;
    }
    growth.set(role, sum);
    if (sum > MAX_GROWTH) {
      return `role '${role.roleId}' multiplies: one parameter makes up to ${sum} scopes of it (at most ${MAX_GROWTH}); let it, or the roles it assumes, pass on fewer <..>`;
    }
  }
  return undefined;
}

/** One name is matched by patterns that lie within each other, and by no others: the most that such a row of them makes of it. */
function mostOf(roles: RoleIndex, scope: string, growth: ReadonlyMap<CompiledRole, number>): number {
  const rows = new Map<CompiledRole | undefined, number>();
  let most = 0;
  const assumed = Array.from(rolesAssumed(roles, scope), ([role]) => role);
  for (const role of assumed.sort((a, b) => compareScopes(a.roleId, b.roleId))) {
    const row = growth.get(role)! + (rows.get(role.within) ?? 0);
    rows.set(role, row);
    most = Math.max(most, row);
  }
  return most;
}

/** Assumes every role with all parameters there are and with none: nothing that callers assume leads to more, but for their own parameters. */
function costProblem(roles: RoleIndex): string | undefined {
  try {
    expandScopes([`${ASSUME}*`, ...roles.map(({ stem }) => ASSUME + stem)], roles, { maxCost: MAX_STORED_COST });
    return undefined;
  } catch (error) {
    return `${(error as Error).message}; let that role, or those that assume it, grant less`;
  }
}
