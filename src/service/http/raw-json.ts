import { randomBytes } from 'node:crypto';

/** Where a part of an answer goes that is JSON already. Nobody can guess it, so no text of a caller is taken for such a place. */
const PLACE = `raw-json-${randomBytes(16).toString('hex')}-`;

/** The parts of the answer that is being written; writing is synchronous, so there is only one. */
let parts: string[] | undefined;

/** A value whose JSON is known: an answer has that text as it is, which is neither parsed nor written again. */
class RawJson {
  constructor(private readonly text: string) {}

  toJSON(): unknown {
    return parts ? PLACE + (parts.push(this.text) - 1) : JSON.parse(this.text);
  }
}

/**
 * Stands for the value that `json` says, wherever an answer holds it. Only for text that our own JSON.stringify has made: it becomes part of
 * the answer unread. The type is that of the value, which nobody but the writer of the answer looks into.
 */
export function rawJson<T extends object>(json: string): T {
  return new RawJson(json) as unknown as T;
}

const PLACES = new RegExp(`"${PLACE}(\\d+)"`, 'g');

/** JSON.stringify for answers, with those texts in their places. */
export function stringifyAnswer(value: unknown): string {
  const raw: string[] = [];
  parts = raw;
  try {
    const text = JSON.stringify(value);
    return raw.length === 0 ? text : text.replace(PLACES, (_, index: string) => raw[Number(index)] ?? '');
  } finally {
    parts = undefined;
  }
}
