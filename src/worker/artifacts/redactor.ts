import { ByteAutomaton } from './bytes/byte-automaton.js';
import { formsOf } from './bytes/secret-forms.js';

const REDACTED = Buffer.from('[redacted]');
const NOTHING = Buffer.alloc(0);
const LF = 10;
const CR = 13;

/** Bytes of line breaks in a row that a secret may be broken by: an empty line, in the longer way of writing. */
const MOST_BREAKS = 4;

/** Bytes that are to be left out, by their place in what is at hand, and by their number among those that are no line breaks. */
interface Range {
  start: number;
  end: number;
  first: number;
  last: number;
}

/** A stream from which secrets are taken. */
export interface Redaction {
  /** What is known to hold no secret, of this chunk and of those before. */
  push(chunk: Buffer): Buffer;
  /** The rest. It may be used again, for another stream. */
  end(): Buffer;
}

/**
 * Replaces secrets in a stream of bytes by `[redacted]`, in each of their forms (see formsOf), over chunks and over line breaks; what
 * overlaps is replaced once. All else stays as it is, to the byte. Secrets of fewer than six bytes are ignored (see isRedactable).
 * It holds back what may be the beginning of a secret, with its line breaks: five times the longest form at most.
 */
export class Redactor implements Redaction {
  readonly #forms: Buffer[];
  #automaton: ByteAutomaton;
  #state = 0;
  /** Line breaks read in a row. */
  #breaks = 0;
  /** Bytes read so far that are no line breaks. */
  #read = 0;
  #held: Buffer = NOTHING;
  /** How many of those were read. */
  #scanned = 0;
  /** Those in what is held. The first may have begun before that, and its replacement been told. */
  #ranges: Range[] = [];

  /** Those secrets, or those of another redactor, which costs nothing. */
  constructor(secrets: readonly string[] | Redactor) {
    const isOther = secrets instanceof Redactor;
    this.#forms = isOther ? [...secrets.#forms] : secrets.flatMap(formsOf);
    this.#automaton = isOther ? secrets.#automaton : new ByteAutomaton(this.#forms);
  }

  /** More secrets, from here on; also in what is held back. All is built anew, in some 10 ms for each KiB of secrets: give many at once. */
  add(secrets: readonly string[]): void {
    if (secrets.length === 0) return;
    this.#forms.push(...secrets.flatMap(formsOf));
    this.#automaton = new ByteAutomaton(this.#forms);
    this.#state = 0;
    if (this.#held.length > 0) this.#breaks = 0; // it begins with the beginning of a form
    this.#read -= significantIn(this.#held, 0, this.#scanned);
    this.#scanned = 0;
    this.#ranges = this.#ranges.filter(wasTold);
  }

  push(chunk: Buffer): Buffer {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#scan(bytes);
    return this.#release(bytes, startOf(bytes, bytes.length, this.#automaton.depth[this.#state]!));
  }

  end(): Buffer {
    const rest = this.push(NOTHING);
    const last = this.#release(this.#held, this.#held.length);
    this.#state = 0;
    this.#breaks = 0;
    this.#ranges = [];
    return Buffer.concat([rest, last]);
  }

  #scan(bytes: Buffer): void {
    const automaton = this.#automaton;
    const { found } = automaton;
    let [state, breaks, read] = [this.#state, this.#breaks, this.#read];
    for (let at = this.#scanned; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === LF || byte === CR) {
        if (++breaks > MOST_BREAKS) state = 0;
        continue;
      }
      breaks = 0;
      read++;
      state = automaton.next(state, byte);
      if (found[state] !== 0) this.#mark(bytes, at, read, found[state]!);
    }
    [this.#state, this.#breaks, this.#read] = [state, breaks, read];
  }

  /** Each byte is looked at once here, for then it is in a range: linear, too, where each byte ends a long secret. */
  #mark(bytes: Buffer, at: number, last: number, length: number): void {
    const first = last - length + 1;
    let [start, from] = [at + 1, last + 1];
    for (let top = this.#ranges.at(-1); top && top.first >= first; top = this.#ranges.at(-1)) {
      [start, from] = [top.start, top.first];
      this.#ranges.pop();
    }
    const before = this.#ranges.at(-1);
    if (before && before.last >= first) [before.end, before.last] = [at + 1, last];
    else this.#ranges.push({ start: startOf(bytes, start, from - first), end: at + 1, first, last });
  }

  /** All before that place is sure: nothing that is still to be found begins there. */
  #release(bytes: Buffer, until: number): Buffer {
    const pieces: Buffer[] = [];
    let from = 0;
    for (const range of this.#ranges.filter(({ start }) => start < until)) {
      pieces.push(bytes.subarray(from, Math.max(from, range.start)), wasTold(range) ? NOTHING : REDACTED);
      from = Math.min(range.end, until);
    }
    pieces.push(bytes.subarray(from, until));
    this.#hold(bytes, until);
    return Buffer.concat(pieces);
  }

  #hold(bytes: Buffer, from: number): void {
    this.#ranges = this.#ranges
      .filter(({ end }) => end > from)
      .map((range) => ({ ...range, start: range.start < from ? -1 : range.start - from, end: range.end - from }));
    this.#held = Buffer.from(bytes.subarray(from)); // a copy: the chunk is its owner's
    this.#scanned = this.#held.length;
  }
}

const wasTold = ({ start }: Range) => start < 0;

/** Where the last so many bytes before that place begin, line breaks not counted. */
function startOf(bytes: Buffer, place: number, count: number): number {
  let start = place;
  for (let left = count; left > 0; ) if (!isBreak(bytes[--start]!)) left--;
  return start;
}

const isBreak = (byte: number) => byte === LF || byte === CR;

function significantIn(bytes: Buffer, start: number, end: number): number {
  let count = 0;
  for (let at = start; at < end; at++) if (!isBreak(bytes[at]!)) count++;
  return count;
}
