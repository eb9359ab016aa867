/** `$(steps.NAME.results.X)`: all of a result, a member of an object (`.key`), or items of an array (`[0]`, `[*]`). */
export interface Reference {
  /** As it was written. */
  text: string;
  step: string;
  result: string;
  /** Which part of the result; absent: all of it, which is a text then. */
  part?: { key: string } | { index: number } | 'items';
}

/** Texts, references, and what was to be one: `$(steps.` and no reference, shown as far as it is nothing but names. */
export type TextPart = string | Reference | { unreadable: string };

/** What is written before a reference is `$(`; who wants just that, in front of `steps.`, writes `$$(`. Each character is read once. */
const TOKEN = /\$\$\(|\$\((steps\.[^)]*)(\)?)/g;
const REFERENCE = /^steps\.([a-z0-9-]{1,63})\.results\.([A-Za-z][\w-]{0,62})(?:\.([\w-]{1,63})|\[(?:(\d{1,9})|(\*))\])?$/;

/** A text in parts. What else is in `$(…)` is no business of ours: shells use it. */
export function partsOf(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let from = 0;
  for (const token of text.matchAll(TOKEN)) {
    parts.push(text.slice(from, token.index), token[1] === undefined ? '$(' : referenceOf(token[0], token[1], token[2] === ')'));
    from = token.index + token[0].length;
  }
  return [...parts, text.slice(from)].filter((part) => part !== '');
}

function referenceOf(text: string, inner: string, closed: boolean): TextPart {
  const [, step, result, key, index, items] = (closed && REFERENCE.exec(inner)) || [];
  if (step === undefined || result === undefined) return { unreadable: /^\$\([\w.[\]*-]{1,100}\)$/.test(text) ? text : '$(steps.…' };
  const part = key !== undefined ? { key } : index !== undefined ? { index: Number(index) } : items && ('items' as const);
  return { text, step, result, ...(part && { part }) };
}

/** A text in which there may be references, and where in its step it is. */
export interface Place {
  path: string;
  text: string;
  /** A word of a command, where `[*]` may stand for several. */
  isWord: boolean;
}

/** Why a reference cannot stand there for a result of that type, if so. */
export function misuseOf({ part }: Reference, type: 'string' | 'array' | 'object', isWholeWord: boolean): string | undefined {
  if (part === 'items') {
    if (type !== 'array') return `is ${NOUNS[type]}, no array; [*] is for arrays`;
    return isWholeWord ? undefined : 'stands for several words; it must be all of a word of the command';
  }
  if (part === undefined) return type === 'string' ? undefined : `is ${NOUNS[type]}; name ${PARTS[type]}`;
  const wanted = 'key' in part ? 'object' : 'array';
  return type === wanted ? undefined : `is ${NOUNS[type]}; name ${PARTS[type]}`;
}

const NOUNS = { string: 'a text', array: 'an array', object: 'an object' };
const PARTS = {
  string: 'it as a whole',
  array: 'an item ([0]) or, as a word of the command, all of them ([*])',
  object: 'a member (.key)',
};
