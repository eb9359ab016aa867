import { explainScope, type Step } from './explain-scope.js';
import { ASSUME, type CompiledRole, insert, type RoleIndex, type Template } from './role-expansion.js';
import { satisfies } from './scope.js';

export interface GrantOptions {
  /** Scopes that are neither granted nor followed. */
  leaveOut?: (scope: string) => boolean;
  /** Whether a role may be told; one that may not is not looked at. */
  mayName?: (roleId: string) => boolean;
}

/** So many are told: who grants scopes wants a role, not a list of all that lead to it. */
const MOST_GRANTS = 10;

/**
 * How many scopes of roles are compared before the search is given up: 800 roles of 250 scopes once, a few milliseconds. Anybody may ask for
 * a scope, so what is left out for it is not worth more.
 */
const MAX_COMPARED = 200_000;

/** What following one candidate to the wanted scope may cost (role-expansion.ts), and as how many comparisons each counts. */
const MAX_FOLLOWED = 20_000;
const FOLLOWED = 2_000;

/**
 * Which `assume:` scopes would grant the wanted one, the most direct first, each with its way to it. The search goes backwards, from the wanted
 * scope to the roles that grant it, and from these to the roles that assume them; every find is then followed forwards, so what is told
 * is true, but bounded as this is it need not be all there is.
 */
export function grantingRoles(
  roles: RoleIndex,
  wanted: string,
  { leaveOut = () => false, mayName = () => true }: GrantOptions = {},
): Step[][] {
  const ways: Step[][] = [];
  const targets = new Set([wanted]);
  let compared = 0;
  for (const target of targets) {
    for (const role of roles) {
      compared += 1 + role.fixed.length + role.parameterised.length;
      if (compared > MAX_COMPARED || ways.length === MOST_GRANTS) return ways;
      const parameter = parameterFor(role, target);
      if (parameter === undefined || !mayName(role.roleId)) continue;
      const candidate = ASSUME + role.stem + parameter;
      if (targets.has(candidate) || leaveOut(candidate)) continue;
      targets.add(candidate);
      compared += FOLLOWED;
      const way = wayFrom(candidate, roles, wanted, leaveOut);
      if (way?.every((step) => !step.role || mayName(step.role.roleId))) ways.push(way);
    }
  }
  return ways;
}

function wayFrom(scope: string, roles: RoleIndex, wanted: string, leaveOut: (scope: string) => boolean): Step[] | undefined {
  try {
    const explanation = explainScope([scope], roles, wanted, { leaveOut, maxCost: MAX_FOLLOWED });
    return explanation.has ? explanation.derivation : undefined;
  } catch {
    return undefined; // more than this is no answer to give anybody
  }
}

/** With which parameter a role grants a scope that satisfies the target: one that makes just the target before one that makes more. */
function parameterFor({ fixed, parameterised }: CompiledRole, target: string): string | undefined {
  if (fixed.some((scope) => satisfies(scope, target))) return '';
  const exact = firstOf(parameterised, (template) => exactParameter(template, target));
  return exact ?? firstOf(parameterised, ({ before }) => (target.startsWith(before) ? `${target.slice(before.length)}*` : undefined));
}

function exactParameter(template: Template, target: string): string | undefined {
  const { before, after } = template;
  if (!target.startsWith(before)) return undefined;
  const rest = target.slice(before.length);
  const parameter = rest.endsWith('*') ? rest : rest.endsWith(after) ? rest.slice(0, rest.length - after.length) : undefined;
  return parameter !== undefined && satisfies(insert(template, parameter), target) ? parameter : undefined;
}

function firstOf<T>(templates: readonly Template[], find: (template: Template) => T | undefined): T | undefined {
  for (const template of templates) {
    const found = find(template);
    if (found !== undefined) return found;
  }
  return undefined;
}
