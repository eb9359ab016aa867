/**
 * The canonical text of a JSON value (RFC 8785): no white space, keys in UTF-16 order, numbers and strings as ECMAScript writes
 * them. Members that are undefined do not exist. Throws TypeError for what JSON cannot say: NaN, infinities, functions, and
 * lone surrogates, which have no UTF-8 form.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return canonicalString(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) return canonicalObject(value as Record<string, unknown>);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`${value} is not a JSON number`);
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`a ${typeof value} is not a JSON value`);
  return text;
}

function canonicalObject(value: Record<string, unknown>): string {
  let members = '';
  for (const key of Object.keys(value).sort()) {
    // sorted by UTF-16 code units, which is what the RFC asks for
    if (value[key] !== undefined) members += `${members && ','}${canonicalString(key)}:${canonicalJson(value[key])}`;
  }
  return `{${members}}`;
}

/** What is most often a key: nothing in it is escaped. */
const WORD = /^[\w .:/-]{0,64}$/;

function canonicalString(text: string): string {
  if (WORD.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new TypeError('a lone surrogate has no UTF-8 form');
  return JSON.stringify(text);
}
