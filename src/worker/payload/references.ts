import type { ResultValue, Step } from './payload.js';
import { misuseOf, type Place, partsOf, type Reference } from './reference.js';

/** A reference to a result that is not there, or is not what was expected. The message names the step, the place, the result and the fix. */
export class UnresolvedReference extends Error {}

/** Results of the steps before, by the step's name and their own. */
export type Results = ReadonlyMap<string, Readonly<Record<string, ResultValue>>>;

export interface ResolvedStep {
  /** Empty for a step with a script. */
  command: readonly string[];
  env: Record<string, string>;
  /** Whether all of `when.all` does. If not nothing else was looked at. */
  holds: boolean;
}

/** Words. bwrap takes 9 000, of which some are its own. */
const MOST_WORDS = 8_000;
/** Bytes of one word, or of a variable and its name: a system takes 128 KiB, with the NUL at its end. */
const LONGEST_WORD = 131_071;

/** Characters, of all that a step has after references were resolved. A system starts no program with more than about 2 MB. */
const LONGEST = 1_048_576;

/**
 * A step with the results of earlier ones in place of references, in its command, its `env` and its `when`; once, so that whatever a result
 * has in it is only text (37). Scripts stay as they are. Throws UnresolvedReference.
 */
export function resolveStep(step: Step, results: Results): ResolvedStep {
  const resolver = new Resolver(step.name, results);
  const holds = step.when.all.every((condition, index) => resolver.holds(condition, `when.all[${index}]`));
  if (!holds) return { command: [], env: {}, holds };
  const command = (step.command ?? []).flatMap((text, index) => resolver.words({ path: `command[${index}]`, text, isWord: true }));
  resolver.assertFit(command);
  const texts = Object.entries(step.env).map(([name, text]) => [name, resolver.variable(name, text)]);
  return { command, env: Object.fromEntries(texts), holds };
}

class Resolver {
  #left = LONGEST;

  constructor(
    readonly step: string,
    readonly results: Results,
  ) {}

  holds({ input, operator, values }: Step['when']['all'][number], path: string): boolean {
    const text = this.text({ path: `${path}.input`, text: input, isWord: false });
    const among = values.map((value, index) => this.text({ path: `${path}.values[${index}]`, text: value, isWord: false }));
    return among.includes(text) === (operator === 'in');
  }

  /** One word, but for an array's items. */
  words(place: Place): readonly string[] {
    const [part, ...others] = partsOf(place.text);
    if (others.length > 0 || typeof part !== 'object' || 'unreadable' in part || part.part !== 'items') return [this.text(place)];
    const items = this.#value(part, place, true) as readonly string[];
    return items.map((item) => this.#counted(item, place));
  }

  /** Longer ones the kernel refuses, as if it was a fault of the worker's. */
  assertFit(command: readonly string[]): void {
    if (command.length > MOST_WORDS)
      throw this.#error({ path: 'command' }, `with what it refers to it has more than ${MOST_WORDS} words; pass a file`);
    if (command.some((word) => Buffer.byteLength(word) > LONGEST_WORD))
      throw this.#error({ path: 'command' }, `with what it refers to a word has more than ${LONGEST_WORD} bytes; pass a file`);
  }

  variable(name: string, written: string): string {
    const place = { path: `env.${name}`, text: written, isWord: false };
    const text = this.text(place);
    if (Buffer.byteLength(`${name}=${text}`) <= LONGEST_WORD) return text;
    throw this.#error(place, `with what it refers to it has more than ${LONGEST_WORD} bytes; pass a file`);
  }

  text(place: Place): string {
    const texts = partsOf(place.text).map((part) => {
      if (typeof part === 'object' && 'unreadable' in part) throw this.#error(place, `${part.unreadable} is no reference`);
      return this.#counted(typeof part === 'string' ? part : this.#selected(part, place), place);
    });
    return texts.join('');
  }

  #selected(reference: Reference, place: Place): string {
    const { part, text } = reference;
    const value = this.#value(reference, place, false);
    if (typeof part !== 'object') return value as string;
    const key = 'key' in part ? part.key : part.index;
    if (!Object.hasOwn(value as object, key)) throw this.#error(place, `${text}: the result has no ${JSON.stringify(key)}`);
    return (value as Readonly<Record<string, string>>)[key]!;
  }

  /** All of a result, of the type that the reference needs. */
  #value(reference: Reference, place: Place, isWholeWord: boolean): ResultValue {
    const { step, result, text } = reference;
    const ofStep = this.results.get(step);
    if (ofStep === undefined || !Object.hasOwn(ofStep, result))
      throw this.#error(place, `${text}: step ${step} left no result ${result}; it has not run, or has not written it`);
    const value = ofStep[result]!;
    const misuse = misuseOf(reference, typeof value === 'string' ? 'string' : Array.isArray(value) ? 'array' : 'object', isWholeWord);
    if (misuse !== undefined) throw this.#error(place, `${text} ${misuse}`);
    return value;
  }

  /** A result of 1 MB, referred to a thousand times, is a gigabyte; and no program can be started with a NUL in its words. */
  #counted(text: string, place: Place): string {
    this.#left -= text.length + 1;
    if (this.#left < 0) throw this.#error(place, `with what it refers to it is too long: a step has ${LONGEST} characters; pass a file`);
    if (text.includes('\0')) throw this.#error(place, 'what it refers to has a NUL in it; pass a file');
    return text;
  }

  #error({ path }: Pick<Place, 'path'>, what: string): UnresolvedReference {
    return new UnresolvedReference(`step ${this.step}: ${path}: ${what}`);
  }
}
