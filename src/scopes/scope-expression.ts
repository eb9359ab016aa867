import { satisfies } from './scope.js';
import { compareScopes, holdsScope, normalHolder, normalHolds, normalizeScopes } from './scope-set.js';

/**
 * What an operation requires: one scope, all of a list (an empty one is satisfied by anybody), or any of a list (an empty one by nobody).
 */
export type ScopeExpression = string | { AllOf: ScopeExpression[] } | { AnyOf: ScopeExpression[] };

/**
 * A scope expression with `<parameter>` placeholders, filled in for each request. `for` stands for `each` once per element of the list
 * parameter `in`, and `if` for `then` or `else` by a boolean parameter (without `else`, for nothing); both are spliced into the list around
 * them. At the very top, where there is no such list, they count as standing in an `AllOf`.
 */
export type ScopeTemplate =
  | string
  | { AllOf: ScopeTemplate[] }
  | { AnyOf: ScopeTemplate[] }
  | { for: string; in: string; each: ScopeTemplate }
  | { if: string; then: ScopeTemplate; else?: ScopeTemplate };

/** Values for placeholders (string, number), `if` (boolean) and `in` (list). */
export type ScopeParams = Record<string, string | number | boolean | readonly string[]>;

const PLACEHOLDER = /<([A-Za-z][A-Za-z0-9_]*)>/g;

/**
 * The parameters a template needs from outside: placeholders, `in` and `if` names, each once, in order of appearance; loop variables not.
 */
export function templateParameters(template: ScopeTemplate): string[] {
  return [...new Set(freeNames(template))];
}

/**
 * Fills in a template. Values are inserted once and never looked at again: a route called `<taskId>` stays that text, so nobody can have
 * another parameter's value put into what is asked of them. A missing or misfitting parameter throws an Error that names it, because a scope
 * with a hole in it (`queue:get-task:`) would check something nobody meant. Only a missing `if` parameter is let pass, as false.
 */
export function renderTemplate(template: ScopeTemplate, params: ScopeParams): ScopeExpression {
  const rendered = render(template, params);
  return rendered.length === 1 ? rendered[0]! : { AllOf: rendered };
}

/** Whether the held scopes satisfy the expression. */
export function isSatisfied(held: readonly string[], expression: ScopeExpression): boolean {
  return typeof expression === 'string' ? holdsScope(held, expression) : isSatisfiedByNormal(normalizeScopes(held), expression);
}

/** The same for scopes in normal form, which are not sorted again: for who asks thousands of times. O(m log n). */
export function isSatisfiedByNormal(normal: readonly string[], expression: ScopeExpression): boolean {
  if (typeof expression === 'string') return normalHolds(normal, expression);
  if ('AllOf' in expression) return expression.AllOf.every((member) => isSatisfiedByNormal(normal, member));
  return expression.AnyOf.some((member) => isSatisfiedByNormal(normal, member));
}

/**
 * Which of the held scopes, in normal form, satisfy the expression, of an `AnyOf` those of its first alternative that is satisfied; undefined
 * where it is not. Some may be in the list more than once.
 */
export function satisfyingScopes(normal: readonly string[], expression: ScopeExpression): string[] | undefined {
  const found: string[] = [];
  return collectSatisfying(normal, expression, found) ? found : undefined;
}

function collectSatisfying(normal: readonly string[], expression: ScopeExpression, found: string[]): boolean {
  if (typeof expression === 'string') {
    const holder = normalHolder(normal, expression);
    if (holder !== undefined) found.push(holder);
    return holder !== undefined;
  }
  const before = found.length;
  const collect = (member: ScopeExpression) => collectSatisfying(normal, member, found);
  const isHeld = 'AllOf' in expression ? expression.AllOf.every(collect) : expression.AnyOf.some(collect);
  if (!isHeld) found.length = before; // half of an alternative decided nothing
  return isHeld;
}

/**
 * What is missing to satisfy the expression, for the message of a refusal; undefined if nothing is. All unsatisfied members of an `AllOf`
 * and all alternatives of an `AnyOf` remain, each without what is held of it; a list of one is replaced by its member. Holding what remains
 * as well satisfies the expression. Not for deciding: that is `isSatisfied`, kept apart so that better messages cannot open a door.
 * O((n + m) log n) like that one: a refusal must not cost more than what is refused.
 */
export function missingScopes(held: readonly string[], expression: ScopeExpression): ScopeExpression | undefined {
  return missingOf(expression, heldOf(held, scopesIn(expression)));
}

function missingOf(expression: ScopeExpression, found: ReadonlySet<string>): ScopeExpression | undefined {
  if (typeof expression === 'string') return found.has(expression) ? undefined : expression;
  const members = 'AllOf' in expression ? expression.AllOf : expression.AnyOf;
  const missing = members.map((member) => missingOf(member, found)).filter((member) => member !== undefined);
  const isHeld = 'AllOf' in expression ? missing.length === 0 : missing.length < members.length;
  if (isHeld) return undefined;
  if (missing.length === 1) return missing[0];
  return 'AllOf' in expression ? { AllOf: missing } : { AnyOf: missing };
}

function scopesIn(expression: ScopeExpression): string[] {
  if (typeof expression === 'string') return [expression];
  return ('AllOf' in expression ? expression.AllOf : expression.AnyOf).flatMap(scopesIn);
}

/** Those of the required scopes that are held. Both in order, one pass: only the last held one that does not come after it can satisfy one. */
function heldOf(held: readonly string[], required: string[]): Set<string> {
  const normal = normalizeScopes(held);
  const found = new Set<string>();
  let next = 0;
  for (const scope of required.sort(compareScopes)) {
    while (next < normal.length && compareScopes(normal[next]!, scope) <= 0) next++;
    if (next > 0 && satisfies(normal[next - 1]!, scope)) found.add(scope);
  }
  return found;
}

function render(template: ScopeTemplate, params: ScopeParams): ScopeExpression[] {
  if (typeof template === 'string') return [fill(template, params)];
  if ('AllOf' in template) return [{ AllOf: renderList(template.AllOf, params) }];
  if ('AnyOf' in template) return [{ AnyOf: renderList(template.AnyOf, params) }];
  if ('for' in template) return renderEach(template, params);
  if (flagOf(params, template.if)) return render(template.then, params);
  return template.else === undefined ? [] : render(template.else, params);
}

function renderList(templates: readonly ScopeTemplate[], params: ScopeParams): ScopeExpression[] {
  const rendered: ScopeExpression[] = [];
  for (const template of templates) {
    for (const expression of render(template, params)) rendered.push(expression);
  }
  return rendered;
}

function fill(template: string, params: ScopeParams): string {
  return template.replace(PLACEHOLDER, (_, name: string) => textOf(params, name));
}

/** One copy of the parameters for the whole loop: a copy for each of 600 000 scopes (10 MiB of them) took seconds. */
function renderEach(loop: { for: string; in: string; each: ScopeTemplate }, params: ScopeParams): ScopeExpression[] {
  const inner: ScopeParams = { ...params };
  const rendered: ScopeExpression[] = [];
  for (const value of listOf(params, loop.in)) {
    inner[loop.for] = value;
    for (const expression of render(loop.each, inner)) rendered.push(expression);
  }
  return rendered;
}

function freeNames(template: ScopeTemplate): string[] {
  if (typeof template === 'string') return [...template.matchAll(PLACEHOLDER)].map(([, name]) => name!);
  if ('AllOf' in template) return template.AllOf.flatMap(freeNames);
  if ('AnyOf' in template) return template.AnyOf.flatMap(freeNames);
  if ('for' in template) return [template.in, ...freeNames(template.each).filter((name) => name !== template.for)];
  return [template.if, ...freeNames(template.then), ...(template.else === undefined ? [] : freeNames(template.else))];
}

function textOf(params: ScopeParams, name: string): string {
  const value = parameterOf(params, name);
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  throw new Error(`scope parameter '${name}' is ${value === undefined ? 'missing' : 'neither a string nor a number'}`);
}

function listOf(params: ScopeParams, name: string): readonly string[] {
  const value = parameterOf(params, name);
  if (Array.isArray(value)) return value;
  throw new Error(`scope parameter '${name}' is ${value === undefined ? 'missing' : 'not a list'}`);
}

function flagOf(params: ScopeParams, name: string): boolean {
  const value = parameterOf(params, name) ?? false;
  if (typeof value === 'boolean') return value;
  throw new Error(`scope parameter '${name}' is not a boolean`);
}

function parameterOf(params: ScopeParams, name: string) {
  return Object.hasOwn(params, name) ? params[name] : undefined;
}
