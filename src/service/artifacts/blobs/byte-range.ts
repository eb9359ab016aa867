/** Some bytes of a blob, from `start` to `end`, both included. */
export interface ByteRange {
  start: number;
  end: number;
}

const RANGE = /^bytes=(\d{0,15})-(\d{0,15})$/;

/**
 * The one range that a Range header asks for (RFC 9110, 14.2). Undefined: all of it, also where the header is of another unit, asks for
 * several ranges, or is no Range at all, which a server may ignore.
 */
export function byteRange(header: string | undefined, length: number): ByteRange | 'unsatisfiable' | undefined {
  const [, from = '', to = ''] = RANGE.exec(header?.replaceAll(' ', '') ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  if (from === '') return Number(to) === 0 || length === 0 ? 'unsatisfiable' : { start: Math.max(0, length - Number(to)), end: length - 1 };
  if (to !== '' && Number(to) < Number(from)) return undefined;
  if (Number(from) >= length) return 'unsatisfiable';
  return { start: Number(from), end: to === '' ? length - 1 : Math.min(Number(to), length - 1) };
}
