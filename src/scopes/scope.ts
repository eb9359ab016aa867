/**
 * What a scope may be made of: one or more characters of an OAuth scope-token (RFC 6749 §3.3), which is printable ASCII without space, `"`
 * and `\`. Taskcluster also takes those three; we refuse them because a scope travels in the space-separated `scope` of a task token.
 * Whoever holds `notify:x*` could otherwise create a task with the single scope `notify:x queue:create-task:highest:prod/release`, and
 * every verifier of its token would read two scopes, the second never held by anyone.
 */
export const SCOPE_PATTERN = /^[\x21\x23-\x5B\x5D-\x7E]+$/;

/** Whether a value from outside is a scope. To be asked at every entrance: tasks, roles, clients, certificates, token exchange. */
export function isScope(value: unknown): value is string {
  return typeof value === 'string' && SCOPE_PATTERN.test(value);
}

/** A scope without its final `*`: what everything it satisfies begins with. Only one `*`, and only at the end, is special. */
export function withoutStar(scope: string): string {
  return scope.endsWith('*') ? scope.slice(0, -1) : scope;
}

/**
 * Whether holding one scope is enough where another is required: they are equal, or the held one ends in `*` and the required one begins
 * with what stands before it. A required `*` is no wildcard, just a character, so `x:*` is satisfied by `x:*`, `x*` or `*` but not by
 * `x:y`: a caller who may pick a part of the required scope gains nothing by picking `*`.
 *
 * One pair is refused that the bare prefix rule would allow: `a**` does not satisfy `a*`. `a**` stands for what begins with `a*`; were it
 * to satisfy `a*`, its holder could be issued `a*` and from there everything that begins with `a`. With this the relation is transitive, on
 * which every delegation rests. Refusing `**` at the entrances is not enough: the parameter of a role can produce one (`a*<..>b`).
 */
export function satisfies(held: string, required: string): boolean {
  if (held === required) return true;
  return held.endsWith('*') && withoutStar(required).startsWith(withoutStar(held));
}
