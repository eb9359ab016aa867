import { satisfies, withoutStar } from './scope.js';

/**
 * The order of the normal form, for `sort`: plain code units, a final `*` left out of the comparison; on a tie the starred scope comes
 * first. So `P*` stands directly before everything it satisfies, and one look back is enough to leave those out.
 */
export function compareScopes(a: string, b: string): number {
  const left = withoutStar(a);
  const right = withoutStar(b);
  if (left !== right) return left < right ? -1 : 1;
  return b.length - a.length;
}

/**
 * The one shortest list with the authority of these scopes: in order, and no scope that another one satisfies. Two sets with the same
 * authority have the same normal form, so it can serve as a cache key. Scopes may come in any order and repeated. O(n log n).
 */
export function normalizeScopes(scopes: Iterable<string>): string[] {
  const normal: string[] = [];
  for (const scope of [...scopes].sort(compareScopes)) keep(normal, scope);
  return normal;
}

/**
 * The normal form of two lists together, in one pass (O(n + m)). Both must be normalised already; what comes of others is not normalised.
 */
export function mergeScopeSets(a: readonly string[], b: readonly string[]): string[] {
  const merged: string[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) keep(merged, compareScopes(a[i]!, b[j]!) <= 0 ? a[i++]! : b[j++]!);
  while (i < a.length) keep(merged, a[i++]!);
  while (j < b.length) keep(merged, b[j++]!);
  return merged;
}

/** Whether some held scope satisfies the required one. */
export function holdsScope(held: readonly string[], required: string): boolean {
  return held.some((scope) => satisfies(scope, required));
}

/**
 * Whether every required scope is satisfied; nothing required is always held. O((n + m) log n): a creator with 2,000 scopes who asks for a
 * task with 2,000 would otherwise keep the whole service waiting for a third of a second.
 */
export function holdsAll(held: readonly string[], required: readonly string[]): boolean {
  const normal = normalizeScopes(held);
  return required.every((scope) => normalHolds(normal, scope));
}

/** Those of the required scopes that are not held. */
export function unheldScopes(held: readonly string[], required: readonly string[]): string[] {
  const normal = normalizeScopes(held);
  return required.filter((scope) => !normalHolds(normal, scope));
}

/**
 * What two sets both grant, normalised: the result satisfies exactly the scopes that both of them satisfy. This is how credentials are
 * narrowed: neither side can add anything. Two prefixes overlap only if one begins with the other, so the scopes of each side that the
 * other side satisfies are all there is.
 */
export function intersectScopes(a: readonly string[], b: readonly string[]): string[] {
  const [left, right] = [normalizeScopes(a), normalizeScopes(b)];
  return normalizeScopes([...left.filter((scope) => normalHolds(right, scope)), ...right.filter((scope) => normalHolds(left, scope))]);
}

/**
 * What is left of scopes to somebody whose own authority is `normal`: each scope that it satisfies, and of a pattern that it satisfies in
 * part, that part. The very same list, in its own order, if nothing is lost.
 */
export function remainingScopes(scopes: readonly string[], normal: readonly string[]): readonly string[] {
  return scopes.every((scope) => normalHolds(normal, scope)) ? scopes : intersectScopes(scopes, normal);
}

/**
 * holdsScope for scopes in normal form, O(log n): only the last scope that does not come after the required one can satisfy it, as the
 * normal form has nothing between `P*` and what it satisfies. Of scopes in no such order it may miss one, but never find too many.
 */
export function normalHolds(normal: readonly string[], required: string): boolean {
  return normalHolder(normal, required) !== undefined;
}

/** The one of them that satisfies the required scope; of scopes in normal form there is one at most. */
export function normalHolder(normal: readonly string[], required: string): string | undefined {
  let low = 0;
  let high = normal.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareScopes(normal[middle]!, required) <= 0) low = middle + 1;
    else high = middle;
  }
  const last = normal[low - 1];
  return last !== undefined && satisfies(last, required) ? last : undefined;
}

function keep(normal: string[], next: string): void {
  const last = normal.at(-1);
  if (last === undefined || !satisfies(last, next)) normal.push(next);
}
