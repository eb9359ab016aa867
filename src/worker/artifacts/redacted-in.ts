import type { Redaction } from './redactor.js';

/** A copy of a value of JSON, each text in it (names of members, too) without secrets. The redactor's stream must have ended. */
export function redactedIn<T>(value: T, redactor: Redaction): T {
  const text = (one: string) => Buffer.concat([redactor.push(Buffer.from(one)), redactor.end()]).toString();
  const copy = (one: unknown): unknown => {
    if (typeof one === 'string') return text(one);
    if (Array.isArray(one)) return one.map(copy);
    if (typeof one !== 'object' || one === null) return one;
    return Object.fromEntries(Object.entries(one).map(([name, member]) => [text(name), copy(member)]));
  };
  return copy(value) as T;
}
