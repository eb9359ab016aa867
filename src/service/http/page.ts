import { ApiError } from './api-error.js';

const MOST = 1000;

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
export function continuationToken(lastKey: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(lastKey)).toString('base64url');
}

/** The key in a token. Throws InvalidRequestArguments for one that no answer of ours had. */
export function keyOf(token: string): (string | number)[] {
  try {
    const key: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    if (Array.isArray(key) && key.length > 0 && key.every((part) => typeof part === 'string' || typeof part === 'number')) return key;
  } catch {
    // refused below
  }
  throw new ApiError('InvalidRequestArguments', 'Query parameter continuationToken is not one that this service gave; begin without it');
}

/** The key that a page of things with a one-part key begins after; '' is before all. */
export function after(token: string | undefined): string {
  return token === undefined ? '' : String(keyOf(token)[0]);
}

/** A page of a list that is sorted by `key`. */
export function page<T>(sorted: readonly T[], key: (item: T) => string, limit: string | undefined, token: string | undefined) {
  const last = after(token);
  const rest = token === undefined ? sorted : sorted.filter((item) => key(item) > last);
  return cut(rest, pageSize(limit), (item) => [key(item)]);
}

/** A page out of what a statement found when asked for one row more than the page holds: that row tells that there are more. */
export function cut<T>(found: readonly T[], size: number, key: (item: T) => string[]) {
  const items = found.slice(0, size);
  const last = items.at(-1);
  return { items, ...(found.length > size && last !== undefined ? { continuationToken: continuationToken(key(last)) } : {}) };
}
