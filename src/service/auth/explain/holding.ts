import { explainScope, type Step } from '../../../scopes/explain-scope.js';
import type { RoleIndex } from '../../../scopes/role-expansion.js';
import { ANONYMOUS } from '../registry.js';

/** What gave a scope: who it is that holds it, what narrowed it, or a role. */
export const SOURCES = [
  ...(['client', 'certificate', 'run', 'task.scopes', 'rewrite', 'anonymous'] as const),
  ...(['creator', 'authorizedScopes', 'exception', 'role', 'missing'] as const),
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

const WORKERS_OWN = 'It comes by the identity of the worker, which its runs never hold';

export const GIVEN_TO_ALL: Given = { scope: ANONYMOUS, by: 'anonymous' };

/** What no narrowing takes away: it comes of no layer below. */
const FROM_NOBODY: readonly Source[] = ['run', 'anonymous'];

/** How a scope is come by, or what of all that is held comes nearest. */
type Outcome = { way: ToldStep[] } | { nearest: ToldStep[][] };

/** Why the holder has the scope; or why not, with the way by which it had it otherwise, or what of all it holds comes nearest. */
export function explainHolding(holding: Holding, wanted: string, roles: RoleIndex): Told {
  const { layers, over, leaveOut } = holding;
  const outcome = derive(layers, wanted, roles, leaveOut);
  if ('way' in outcome) return { has: over === undefined, because: over ?? inWords(outcome.way), derivation: outcome.way };
  const lost = lostWay(holding, wanted, roles);
  if (lost) return { has: false, because: over ?? lost.because, derivation: lost.way };
  return { has: false, because: over ?? 'Nothing that is held satisfies it', nearest: outcome.nearest };
}

/** The way by which it would be held, but for one narrowing, or but for what is not followed. */
function lostWay({ layers, leaveOut }: Holding, wanted: string, roles: RoleIndex): { because: string; way: ToldStep[] } | undefined {
  for (let count = layers.length - 1; count > 0; count--) {
    const wider = derive(layers.slice(0, count), wanted, roles, leaveOut);
    if ('way' in wider) return { because: layers[count]!.because, way: wider.way };
  }
  const followed = leaveOut && derive(layers, wanted, roles);
  return followed && 'way' in followed ? { because: WORKERS_OWN, way: followed.way } : undefined;
}

function derive(layers: readonly Layer[], wanted: string, roles: RoleIndex, leaveOut?: Holding['leaveOut']): Outcome {
  const top = layers.at(-1);
  if (!top) return { nearest: [] };
  const explanation = explainScope(scopesOf(top), roles, wanted, leaveOut ? { leaveOut } : {});
  if (!explanation.has) return { nearest: explanation.nearest.map((way) => toldBy(top, way)) };
  const way = toldBy(top, explanation.derivation);
  const first = way[0]!;
  if (FROM_NOBODY.includes(first.by) || layers.length === 1) return { way };
  const below = derive(layers.slice(0, -1), first.scope, roles, leaveOut);
  return 'way' in below ? { way: [...below.way, ...way] } : below;
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
