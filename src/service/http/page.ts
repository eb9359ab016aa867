import { ApiError } from './api-error.js';
import { isTimestamp } from './shape.js';

const MOST = 1000;

/** Of JSON. A thousand ordinary clients or roles have half of it; what each of them amounts to is up to whoever writes roles. */
const MOST_BYTES = 2 * 1024 * 1024;

/** A page that a caller asks for, as the query string has it. */
export interface PageQuery {
  limit: string | undefined;
  token: string | undefined;
}

/** The `limit` of a page: 1000 at most and when absent. */
export function pageSize(limit: string | undefined): number {
  return limit === undefined ? MOST : Math.min(MOST, Math.max(1, Number(limit)));
}

/** A continuation token is the key of the last item of the page before: pages neither skip nor repeat when items come and go. */
export function continuationToken(lastKey: readonly string[]): string {
  return Buffer.from(JSON.stringify(lastKey)).toString('base64url');
}

/** The key in a token, of so many parts. Throws InvalidRequestArguments for one that no list of such keys gave. */
export function keyOf(token: string, parts: number): string[] {
  try {
    const key: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    if (Array.isArray(key) && key.length === parts && key.every(isKeyPart)) return key;
  } catch {
    // refused below
  }
  throw notOurs();
}

/** Postgres has no place for NUL in a text: a made-up token must not come out as an error of ours. */
function isKeyPart(part: unknown): part is string {
  return typeof part === 'string' && !part.includes('\0');
}

function notOurs(): ApiError {
  return new ApiError('InvalidRequestArguments', 'Query parameter continuationToken is not one that this service gave; begin without it');
}

/** The key that a page of things with a one-part key begins after; '' is before all. */
export function after(token: string | undefined): string {
  return token === undefined ? '' : (keyOf(token, 1)[0] ?? '');
}

/** The key that a page of things by time, then id begins after. Times are of whole milliseconds, as the columns are. */
export function afterTime(token: string | undefined): [time: string, id: string] {
  if (token === undefined) return ['-infinity', ''];
  const [time = '', id = ''] = keyOf(token, 2);
  if (!isTimestamp(time)) throw notOurs();
  return [time, id];
}

/** A page of a list that is sorted by `key`. */
export function page<T>(sorted: readonly T[], key: (item: T) => string, limit: string | undefined, token: string | undefined) {
  const last = after(token);
  const rest = token === undefined ? sorted : sorted.filter((item) => key(item) > last);
  return cut(rest, pageSize(limit), (item) => [key(item)]);
}

/** The same, described. It ends early where the descriptions become too many bytes, but has one at least. */
export function describedPage<T, D>(
  sorted: readonly T[],
  key: (item: T) => string,
  describe: (item: T) => D,
  limit: string | undefined,
  token: string | undefined,
) {
  const { items, ...more } = page(sorted, key, limit, token);
  const described = fitting(items, describe, MOST_BYTES);
  if (described.length === items.length) return { items: described, ...more };
  return { items: described, continuationToken: continuationToken([key(items[described.length - 1] as T)]) };
}

/** As many of the items, described, as are together so many bytes of JSON; one at least. One that does not fit is the last to be made. */
export function fitting<T, D>(items: readonly T[], describe: (item: T) => D, most: number): D[] {
  const fit: D[] = [];
  let bytes = 0;
  for (const item of items) {
    const described = describe(item);
    bytes += Buffer.byteLength(JSON.stringify(described));
    if (bytes > most && fit.length > 0) break;
    fit.push(described);
  }
  return fit;
}

/** A page out of what a statement found when asked for one row more than the page holds: that row tells that there are more. */
export function cut<T>(found: readonly T[], size: number, key: (item: T) => string[]) {
  return endingSo(found.slice(0, size), found.length > size, key);
}

/** A page that a statement has cut itself: its rows say whether the list goes on after them. */
export function ready<T extends { more: boolean }>(items: readonly T[], key: (item: T) => string[]) {
  return endingSo(items, items.at(-1)?.more === true, key);
}

function endingSo<T>(items: readonly T[], more: boolean, key: (item: T) => string[]) {
  const last = items.at(-1);
  return { items, ...(more && last !== undefined ? { continuationToken: continuationToken(key(last)) } : {}) };
}
