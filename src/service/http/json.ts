import { ApiError } from './api-error.js';

/** JSON.parse takes any depth, but JSON.stringify and Postgres recurse: a hundred thousand brackets would end in a 500. */
const MOST_DEPTH = 100;

/**
 * Parses a body: an object of a sane depth, with finite numbers, well-formed text, and no key that reaches for a prototype.
 * Throws MalformedPayload.
 */
export function parseJson(text: string): object {
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

function assertSane(root: object): void {
  let level: object[] = [root];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MOST_DEPTH) throw new ApiError('MalformedPayload', `The body is nested deeper than ${MOST_DEPTH} levels`);
    const below: object[] = [];
    for (const holder of level) {
      for (const [key, value] of Object.entries(holder)) {
        if (key === '__proto__') throw new ApiError('MalformedPayload', 'The body has a key named __proto__');
        if (!key.isWellFormed() || (typeof value === 'string' && !value.isWellFormed())) {
          throw new ApiError('MalformedPayload', 'The body has half of a surrogate pair, which UTF-8 cannot say');
        }
        if (typeof value === 'object' && value !== null) below.push(value);
        else if (typeof value === 'number' && !Number.isFinite(value)) {
          throw new ApiError('MalformedPayload', `The number at ${key} is too large for a double`);
        }
      }
    }
    level = below;
  }
}
