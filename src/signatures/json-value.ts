/** Levels. Deeper ones are refused before anything recurses over them. */
const DEEPEST = 100;

/**
 * Values in what is signed. A signature of 1 MiB may hold 380 000, and who verifies it writes each of them twice to compare: that held up a
 * process for three seconds, for a task that was refused.
 */
const MOST_VALUES = 50_000;

/**
 * Why a value cannot be signed, if so, beginning with where: what every parser reads as the same value, and nothing else, can be. So no
 * integer beyond 2^53 (two of them may be one double), no lone surrogate, no `__proto__`, and no object that is more than its members.
 */
export function jsonProblem(value: unknown, most = MOST_VALUES): string | undefined {
  return problemOf(value, 0, { left: most, most });
}

/** How many values there may still be, and might be at all. */
interface Count {
  left: number;
  most: number;
}

function problemOf(value: unknown, depth: number, count: Count): string | undefined {
  if (count.left-- <= 0) return `it has more than ${count.most} values; let the task download what is large`;
  if (typeof value === 'string') return value.isWellFormed() ? undefined : 'a lone surrogate has no UTF-8 form';
  if (typeof value === 'number') return numberProblem(value);
  if (typeof value === 'boolean' || value === null) return undefined;
  if (typeof value !== 'object') return `a value of type ${typeof value} is no JSON`;
  if (depth >= DEEPEST) return `nested deeper than ${DEEPEST} levels`;
  return Array.isArray(value) ? itemProblem(value, depth + 1, count) : memberProblem(value, depth + 1, count);
}

function numberProblem(value: number): string | undefined {
  if (!Number.isFinite(value)) return `${value} is no JSON`;
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) return 'an integer beyond 2^53 is not exact; write it as a string';
  return undefined;
}

function itemProblem(items: readonly unknown[], depth: number, count: Count): string | undefined {
  for (let index = 0; index < items.length; index++) {
    const problem = problemOf(items[index], depth, count);
    if (problem !== undefined) return `[${index}] ${problem}`;
  }
  return undefined;
}

function memberProblem(object: object, depth: number, count: Count): string | undefined {
  const prototype = Object.getPrototypeOf(object);
  // of whatever realm: the prototype of plain objects has none itself
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return `a ${object.constructor?.name} is no JSON`;
  for (const [name, member] of Object.entries(object)) {
    if (name === '__proto__') return 'a member named __proto__ is not safe to read';
    if (!name.isWellFormed()) return 'a name with a lone surrogate has no UTF-8 form';
    const problem = member === undefined ? undefined : problemOf(member, depth, count); // undefined: no member
    if (problem !== undefined) return `.${shownName(name)} ${problem}`;
  }
  return undefined;
}

const LONGEST_NAME = 80;

/** A member's name as a message may have it: it may be anybody's, and end a line of a log. */
export function shownName(name: string): string {
  if (/^[\w-]{1,80}$/.test(name)) return name;
  return JSON.stringify(name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name);
}

/** The same value, and nobody can change it any more. */
export function deepFrozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const member of Object.values(value)) deepFrozen(member);
  return Object.freeze(value);
}
