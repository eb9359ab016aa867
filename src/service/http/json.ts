import { ApiError } from './api-error.js';

/** JSON.parse takes any depth, but JSON.stringify and Postgres recurse: a hundred thousand brackets would end in a 500. */
const MOST_DEPTH = 100;

/**
 * Parses a body: an object of a sane depth, with finite numbers, well-formed text, and no key that reaches for a prototype.
 * Throws MalformedPayload.
 */
export function parseJson(text: string): object {
  assertFew(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ApiError('MalformedPayload', `The body is not JSON: ${(cause as Error).message.slice(0, 200)}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiError('MalformedPayload', 'The body must be a JSON object: {…}');
  }
  assertSane(value);
  return value;
}

const LONGEST_PATH = 200;

/** Values in one body: 10 000 dependencies and as many scopes are a tenth of it, and 10 MiB of zeros are ten times it. */
const MOST_VALUES = 300_000;

/**
 * Before anything is parsed: 10 MiB of empty objects take 250 MB and half a second, to be refused then. Each value but the first of its
 * object or list comes after a comma, and each list or object is a value itself. Shorter texts cannot hold too many.
 */
function assertFew(text: string): void {
  if (text.length < 2 * MOST_VALUES) return;
  let commas = 0;
  let openings = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === COMMA) commas++;
    else if (code === BRACKET || code === BRACE) openings++;
  }
  if (commas > 2 * MOST_VALUES || openings > 2 * MOST_VALUES + 1) throw tooMany();
}

const [QUOTE, COMMA, BRACKET, BRACE, BACKSLASH] = [...'",[{\\'].map((character) => character.charCodeAt(0));

/** Where the string that begins here ends: at the next quote that no odd number of backslashes stands before. */
function endOfString(text: string, begin: number): number {
  for (let end = text.indexOf('"', begin + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((end - before) % 2 === 1) return end;
  }
  return text.length;
}

/** Level by level, and without a copy of what it walks: 10 MiB of empty objects kept everybody else waiting for seconds. */
function assertSane(root: object): void {
  let level: object[] = [root];
  let values = 0;
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MOST_DEPTH) throw new ApiError('MalformedPayload', `The body is nested deeper than ${MOST_DEPTH} levels`);
    const below: object[] = [];
    for (const holder of level) {
      if (Array.isArray(holder)) values += holder.length;
      if (values > MOST_VALUES) throw tooMany();
      for (const key in holder) {
        if (++values > 2 * MOST_VALUES) throw tooMany();
        const value: unknown = (holder as Record<string, unknown>)[key];
        if (typeof value === 'object' && value !== null) below.push(value);
        const problem = problemOf(key, value);
        if (problem)
          throw new ApiError(
            'MalformedPayload',
            problem.replace('%', () => pathOf(root, holder, depth, key)),
          );
      }
    }
    level = below;
  }
}

/** What is wrong with a member, with % for where it is. */
function problemOf(key: string, value: unknown): string | undefined {
  if (key === '__proto__') return 'The body has a key named __proto__, at %';
  if (typeof value === 'number' && !Number.isFinite(value)) return 'The number at % is too large for a double';
  const sound = key.isWellFormed() && (typeof value !== 'string' || value.isWellFormed());
  return sound ? undefined : 'The body has half of a surrogate pair, which UTF-8 cannot say, at %';
}

function tooMany(): ApiError {
  return new ApiError('MalformedPayload', `The body holds more than ${MOST_VALUES} values; send fewer at a time`);
}

/** Where a key is, for people. Sought only when there is something to refuse, so that sane bodies do not pay for it. */
function pathOf(root: object, holder: object, depth: number, key: string): string {
  const path = [...(keysTo(holder, root, depth) ?? []), key].join('.');
  return path.length > LONGEST_PATH ? `${path.slice(0, LONGEST_PATH).toWellFormed()}…` : path.toWellFormed();
}

/** The keys that lead to an object. It is at a depth we know, so the search recurses no further, however deep the body is. */
function keysTo(sought: object, from: object, depth: number): string[] | undefined {
  if (from === sought) return [];
  if (depth <= 1) return undefined;
  for (const [key, value] of Object.entries(from)) {
    const rest = typeof value === 'object' && value !== null ? keysTo(sought, value, depth - 1) : undefined;
    if (rest) return [key, ...rest];
  }
  return undefined;
}
