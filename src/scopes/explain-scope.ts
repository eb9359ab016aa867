import {
  type CompiledRole,
  type ExpansionOptions,
  followed,
  followRoles,
  PARAMETER,
  type RoleIndex,
  type Template,
} from './role-expansion.js';
import { satisfies, withoutStar } from './scope.js';

/** A scope on the way from what is held to what that amounts to. Without a role it is held as it is. */
export interface Step {
  scope: string;
  role?: {
    roleId: string;
    /** The scope as the role has it. */
    template: string;
    /** What its `<..>` stands for; empty where the role's id is no pattern. */
    parameter: string;
  };
}

/** Where a scope comes from: the scope that assumes a role, and what of that role it is. */
interface Origin {
  from: string;
  role: CompiledRole;
  template: Template | string;
  parameter: string;
}

/** All that was derived, each scope with its origin, none for what is held as it is. */
export type Derivations = ReadonlyMap<string, Origin | undefined>;

export type Explanation = { has: true; derivation: Step[] } | { has: false; nearest: Step[][] };

/** So many near misses are told: the nearest one is mostly the misspelling, and beyond these nobody reads. */
const MOST_NEAREST = 5;

/**
 * Why the holder of these scopes has the wanted one: the shortest way to it, from a scope that is held, by the roles in between, to the one
 * that satisfies it. Or else which of all that it holds came nearest, each with its own way. It says `has` where `expandScopes` grants a
 * scope that satisfies the wanted one, and nowhere else. It costs what that does, and throws as that does, unless it ends before.
 */
export function explainScope(held: readonly string[], roles: RoleIndex, wanted: string, options: ExpansionOptions = {}): Explanation {
  let found: string | undefined;
  const isFound = (scope: string) => {
    if (satisfies(scope, wanted)) found = scope;
    return found !== undefined;
  };
  const derivations = deriveScopes(held, roles, options, isFound);
  if (found !== undefined) return { has: true, derivation: derivationOf(derivations, found) };
  return { has: false, nearest: nearestTo(wanted, derivations.keys()).map((scope) => derivationOf(derivations, scope)) };
}

/**
 * All that `expandScopes` would make of the scopes, not normalised, with the shortest way to each: what takes fewest roles comes first.
 * `isEnough` is asked about each in that order, and ends it.
 */
export function deriveScopes(
  held: readonly string[],
  roles: RoleIndex,
  options: ExpansionOptions = {},
  isEnough: (scope: string) => boolean = () => false,
): Derivations {
  const start = followed(held, options.leaveOut);
  const origins = new Map<string, Origin | undefined>(start.map((scope) => [scope, undefined]));
  if (start.some(isEnough)) return origins;
  followRoles(start, roles, options, (scope, from, role, template, parameter) => {
    origins.set(scope, { from, role, template, parameter });
    return !isEnough(scope);
  });
  return origins;
}

/** The way to a scope that was derived, from one that is held. */
export function derivationOf(derivations: Derivations, scope: string): Step[] {
  const way: Step[] = [];
  for (let at: string | undefined = scope; at !== undefined; at = derivations.get(at)?.from) way.push(stepTo(at, derivations.get(at)));
  return way.reverse();
}

function stepTo(scope: string, origin: Origin | undefined): Step {
  if (!origin) return { scope };
  const { role, template, parameter } = origin;
  const text = typeof template === 'string' ? template : template.before + PARAMETER + template.after;
  return { scope, role: { roleId: role.roleId, template: text, parameter: role.isPattern ? parameter : '' } };
}

/**
 * Those that share the most with the wanted one, at least one whole part of it, the nearest first. Whether a scope shares more than the last
 * of five is one comparison of memory: by characters, as `startsWith` does it, scopes that begin alike cost ten times what expanding them does.
 */
function nearestTo(wanted: string, scopes: Iterable<string>): string[] {
  const stem = withoutStar(wanted);
  const nearest: { scope: string; shared: number }[] = [];
  let least = stem.slice(0, stem.search(/[:/#]/) + 1);
  for (const scope of least === '' ? [] : scopes) {
    const own = withoutStar(scope);
    if (own.slice(0, least.length) !== least) continue;
    const shared = sharedLength(own, stem, least.length);
    const at = nearest.findIndex((other) => other.shared < shared);
    nearest.splice(at < 0 ? nearest.length : at, 0, { scope, shared });
    nearest.length = Math.min(nearest.length, MOST_NEAREST);
    if (nearest.length === MOST_NEAREST) least = stem.slice(0, nearest.at(-1)!.shared + 1);
  }
  return nearest.map(({ scope }) => scope);
}

function sharedLength(a: string, b: string, from: number): number {
  const most = Math.min(a.length, b.length);
  let length = from;
  while (length < most && a[length] === b[length]) length++;
  return length;
}
