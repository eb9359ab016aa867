/** Levels. Deeper ones are refused before anything recurses over them. */
const DEEPEST = 100;

/**
 * Why a value cannot be signed, if so, beginning with where: what every parser reads as the same value, and nothing else, can be. So no
 * integer beyond 2^53 (two of them may be one double), no lone surrogate, no `__proto__`, and no object that is more than its members.
 */
export function jsonProblem(value: unknown, depth = 0): string | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? undefined : 'a lone surrogate has no UTF-8 form';
  if (typeof value === 'number') return numberProblem(value);
  if (typeof value === 'boolean' || value === null) return undefined;
  if (typeof value !== 'object') return `a value of type ${typeof value} is no JSON`;
  if (depth >= DEEPEST) return `nested deeper than ${DEEPEST} levels`;
  return Array.isArray(value) ? itemProblem(value, depth + 1) : memberProblem(value, depth + 1);
}

function numberProblem(value: number): string | undefined {
  if (!Number.isFinite(value)) return `${value} is no JSON`;
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) return 'an integer beyond 2^53 is not exact; write it as a string';
  return undefined;
}

function itemProblem(items: readonly unknown[], depth: number): string | undefined {
  for (let index = 0; index < items.length; index++) {
    const problem = jsonProblem(items[index], depth);
    if (problem !== undefined) return `[${index}] ${problem}`;
  }
  return undefined;
}

function memberProblem(object: object, depth: number): string | undefined {
  const prototype = Object.getPrototypeOf(object);
  // of whatever realm: the prototype of plain objects has none itself
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return `a ${object.constructor?.name} is no JSON`;
  for (const [name, member] of Object.entries(object)) {
    if (name === '__proto__') return 'a member named __proto__ is not safe to read';
    if (!name.isWellFormed()) return 'a name with a lone surrogate has no UTF-8 form';
    const problem = member === undefined ? undefined : jsonProblem(member, depth); // undefined: no member
    if (problem !== undefined) return `.${name} ${problem}`;
  }
  return undefined;
}

/** The same value, and nobody can change it any more. */
export function deepFrozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const member of Object.values(value)) deepFrozen(member);
  return Object.freeze(value);
}
