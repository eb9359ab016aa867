import { type Derivations, derivationOf, deriveScopes } from '../../../scopes/explain-scope.js';
import { expandScopes, type RoleIndex } from '../../../scopes/role-expansion.js';
import { normalHolder, normalHolds, normalizeScopes } from '../../../scopes/scope-set.js';
import { GIVEN_TO_ALL, type Given, type Layer, scopesOf, type ToldStep, toldSteps } from './holding.js';
import { LONGEST_NOTED, MOST_OF_RUN } from './scope-uses.js';

/** That a run used a scope it held. */
export interface Use {
  scope: string;
  firstUsed: Date;
}

/** A scope that a run was given, by its task or by a role of these, and whether anything of it was used. */
export interface GivenUse extends ToldStep {
  /** Absent where it is not noted: of what every run is given, of very long scopes, and where a run used more than is noted. */
  used?: boolean;
  firstUsed?: string;
  /** It was taken from the run, or a part of it: the creator of its task did not hold it any more. */
  lost?: true;
}

/** What a run was given, and what of that was left to it, if not all of it was. */
export interface RunGrant {
  given: Layer;
  left?: Layer;
  leaveOut?: (scope: string) => boolean;
}

export interface RunUse {
  given: GivenUse[];
  /** What the task could do without, as far as was seen. */
  unused: string[];
  /** Whether what roles grant was too much to list. */
  cut: boolean;
}

/** Of scopes that roles grant, so many are listed, and so many characters of them; all that the task itself says is. */
const MOST_BY_ROLES = 1_000;
const MOST_CHARACTERS = 256 * 1024;

/**
 * What a run was given, as roles are now, and what of it was used. A use counts for the scope itself and for each on the shortest way to
 * it. Not counted as unused is what no task can do without: its own scopes, and what everybody has.
 */
export function runUse({ given, left, leaveOut }: RunGrant, uses: readonly Use[], roles: RoleIndex): RunUse {
  const options = leaveOut ? { leaveOut } : {};
  const derivations = deriveScopes(scopesOf(given), roles, options);
  const held = left && expandScopes(scopesOf(left), roles, options);
  const firstUses = spread(uses, derivations);
  const isFull = uses.length >= MOST_OF_RUN;
  const mark = (step: ToldStep): GivenUse => ({
    ...step,
    ...useOf(step, firstUses.get(step.scope), isFull),
    ...(held && !normalHolds(held, step.scope) ? { lost: true } : {}),
  });
  const own = [...given.scopes, GIVEN_TO_ALL].map(mark);
  const { listed, cut } = byRoles(derivations);
  const mayGo = new Set(given.scopes.filter(({ by }) => by !== 'run').map(({ scope }) => scope));
  const granted = listed.map(({ first, last }) => ({ first, told: mark(last) }));
  const unused = [
    ...own.filter(({ by, used }) => used === false && by !== 'anonymous' && by !== 'run').map(({ scope, from }) => from ?? scope),
    ...granted.filter(({ first, told }) => told.used === false && mayGo.has(first)).map(({ told }) => told.scope),
  ];
  return { given: [...own, ...granted.map(({ told }) => told)], unused: [...new Set(unused)], cut };
}

/** When each derived scope was first used: by itself, or because something that comes of it was. */
function spread(uses: readonly Use[], derivations: Derivations): Map<string, Date> {
  const firstUses = new Map<string, Date>();
  const normal = normalizeScopes(derivations.keys());
  for (const { scope, firstUsed } of uses) {
    // who restricts itself uses a part of what it was given
    const used = derivations.has(scope) ? scope : normalHolder(normal, scope);
    for (const step of used === undefined ? [] : derivationOf(derivations, used)) {
      const known = firstUses.get(step.scope);
      if (!known || firstUsed < known) firstUses.set(step.scope, firstUsed);
    }
  }
  return firstUses;
}

function useOf({ scope, by }: Given, firstUsed: Date | undefined, isFull: boolean): Pick<GivenUse, 'used' | 'firstUsed'> {
  if (firstUsed) return { used: true, firstUsed: firstUsed.toISOString() };
  return by === 'run' || isFull || scope.length > LONGEST_NOTED ? {} : { used: false };
}

function byRoles(derivations: Derivations): { listed: { first: string; last: ToldStep }[]; cut: boolean } {
  const listed: { first: string; last: ToldStep }[] = [];
  let characters = 0;
  for (const [scope, origin] of derivations) {
    if (!origin) continue;
    const way = derivationOf(derivations, scope);
    const last = toldSteps(way.slice(-1))[0]!;
    characters += scope.length + (last.template?.length ?? 0) + origin.from.length;
    if (listed.length === MOST_BY_ROLES || characters > MOST_CHARACTERS) return { listed, cut: true };
    listed.push({ first: way[0]!.scope, last: { ...last, from: origin.from } });
  }
  return { listed, cut: false };
}
