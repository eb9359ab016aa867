import { explainScope, type Step } from '../../../scopes/explain-scope.js';
import type { RoleIndex } from '../../../scopes/role-expansion.js';
import { ANONYMOUS } from '../registry.js';

/** What gave a scope: who it is that holds it, what narrowed it, or a role. */
export const SOURCES = [
  ...(['client', 'certificate', 'run', 'task.scopes', 'rewrite', 'anonymous'] as const),
  ...(['authorizedScopes', 'exception', 'role', 'missing'] as const),
];
export type Source = (typeof SOURCES)[number];

/** A scope that somebody was given, before roles are followed. */
export interface Given {
  scope: string;
  by: Source;
  /** Instead of what: of a rewrite. */
  from?: string;
}

/** A step as it is told. */
export interface ToldStep extends Given {
  roleId?: string;
  template?: string;
  parameter?: string;
}

/** A list of scopes that narrows the one before it, as authorizedScopes do; the first one is what was given. */
export interface Layer {
  scopes: readonly Given[];
  /** Why what the one before grants is not held any more. */
  because: string;
}

/** What somebody holds, and why. */
export interface Holding {
  layers: readonly [Layer, ...Layer[]];
  /** Scopes that are not followed wherever they come from, as the identity of a run's worker. */
  leaveOut?: (scope: string) => boolean;
  /** Why nothing of it is held. */
  over?: string;
}

export interface Told {
  has: boolean;
  because: string;
  derivation?: ToldStep[];
  nearest?: ToldStep[][];
}

export const GIVEN_TO_ALL: Given = { scope: ANONYMOUS, by: 'anonymous' };

/** Why the holder has the scope; or why not, with the way by which it had it otherwise, or what of all it holds comes nearest. */
export function explainHolding(holding: Holding, wanted: string, roles: RoleIndex): Told {
  const { layers, over, leaveOut } = holding;
  const way = derive(layers, wanted, roles, leaveOut);
  if (way)
    return over === undefined ? { has: true, because: inWords(way), derivation: way } : { has: false, because: over, derivation: way };
  for (let count = layers.length - 1; count > 0; count--) {
    const wider = derive(layers.slice(0, count), wanted, roles, leaveOut);
    if (wider) return { has: false, because: over ?? layers[count]!.because, derivation: wider };
  }
  const withheld = leaveOut && derive(layers, wanted, roles);
  if (withheld)
    return { has: false, because: over ?? 'It comes by the identity of the worker, which its runs never hold', derivation: withheld };
  const nearest = nearestOf(layers.at(-1)!, wanted, roles, leaveOut);
  return { has: false, because: over ?? 'Nothing that is held satisfies it', nearest };
}

function derive(layers: readonly Layer[], wanted: string, roles: RoleIndex, leaveOut?: Holding['leaveOut']): ToldStep[] | undefined {
  const top = layers.at(-1);
  if (!top) return undefined;
  const explanation = explainScope(scopesOf(top), roles, wanted, leaveOut ? { leaveOut } : {});
  if (!explanation.has) return undefined;
  const told = toldBy(top, explanation.derivation);
  const first = told[0]!;
  if (first.by === 'anonymous' || layers.length === 1) return told;
  const below = derive(layers.slice(0, -1), first.scope, roles, leaveOut);
  return below && [...below, ...told];
}

function nearestOf(layer: Layer, wanted: string, roles: RoleIndex, leaveOut?: Holding['leaveOut']): ToldStep[][] {
  const explanation = explainScope(scopesOf(layer), roles, wanted, leaveOut ? { leaveOut } : {});
  return explanation.has ? [] : explanation.nearest.map((way) => toldBy(layer, way));
}

export function scopesOf({ scopes }: Layer): string[] {
  return [...scopes.map(({ scope }) => scope), ANONYMOUS];
}

/** The steps with what gave the first one. */
function toldBy({ scopes }: Layer, [first, ...further]: Step[]): ToldStep[] {
  const given = scopes.find(({ scope }) => scope === first?.scope) ?? GIVEN_TO_ALL;
  return [given, ...toldSteps(further)];
}

/** Steps by roles, as they are told; the first of a way that nobody has gone yet is what is missing for it. */
export function toldSteps(steps: readonly Step[]): ToldStep[] {
  return steps.map(({ scope, role }) => (role ? { scope, by: 'role', ...role } : { scope, by: 'missing' }));
}

function inWords(way: readonly ToldStep[]): string {
  const roles = way.flatMap(({ roleId }) => (roleId === undefined ? [] : [`'${roleId}'`]));
  const byRoles = roles.length > 0 ? `, which is held by way of ${roles.length > 1 ? 'the roles' : 'the role'} ${roles.join(', ')}` : '';
  return `${way.at(-1)?.scope} satisfies it${byRoles}`;
}
