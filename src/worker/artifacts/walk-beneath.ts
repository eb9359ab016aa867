import { closeSync, type Dir, lstatSync, opendirSync, type Stats } from 'node:fs';
import { UnfitFile } from './artifact-error.js';
import { entryOf, openDirectoryBeneath, shown } from './open-beneath.js';

export interface WalkLimits {
  /** Of all kinds. */
  entries: number;
  /** Of the files together. */
  bytes: number;
}

export interface Walk {
  /** Relative to the directory, in the order of their names. */
  files: readonly string[];
  /** What is not among them, and why, a line for each: links, pipes, directories that cannot be read, names that are no UTF-8. */
  skipped: readonly string[];
  /** Why there is no more, where a limit was reached. */
  cut?: string;
}

/**
 * The files of a directory below the root, and of all below that. Links are not followed. Each directory is opened anew from the root, so
 * that few are open at once however deep they are. Throws UnfitFile where the directory itself cannot be opened.
 */
export function walkBeneath(root: string, relative: string, limits: WalkLimits): Walk {
  return new Walking(root, relative, limits).result();
}

class Walking {
  readonly #files: string[] = [];
  readonly #skipped: string[] = [];
  readonly #waiting: string[] = [];
  #left: WalkLimits;
  #cut: string | undefined;

  constructor(
    private readonly root: string,
    private readonly relative: string,
    private readonly limits: WalkLimits,
  ) {
    this.#left = { ...limits };
    this.#read('');
    for (let at = this.#waiting.pop(); at !== undefined && this.#cut === undefined; at = this.#waiting.pop()) this.#readOrSkip(at);
  }

  result(): Walk {
    const [files, skipped] = [this.#files.sort(), this.#skipped.sort()];
    return { files, skipped, ...(this.#cut === undefined ? {} : { cut: this.#cut }) };
  }

  #readOrSkip(at: string): void {
    try {
      this.#read(at);
    } catch (error) {
      if (!(error instanceof UnfitFile)) throw error;
      this.#skipped.push(error.message);
    }
  }

  #read(at: string): void {
    const directory = openDirectoryBeneath(this.root, `${this.relative}/${at}`);
    try {
      for (const name of namesIn(directory)) {
        this.#take(Buffer.concat([Buffer.from(at === '' ? '' : `${at}/`), name]), statsOf(directory, name));
        if (this.#cut !== undefined) return;
      }
    } finally {
      closeSync(directory);
    }
  }

  #take(name: Buffer, stats: Stats | undefined): void {
    const place = name.toString();
    if (--this.#left.entries < 0) this.#cut = `${shown(this.relative)} has more than ${this.limits.entries} entries`;
    else if (!Buffer.from(place).equals(name)) this.#skipped.push(`${shown(place)} has a name that is no UTF-8`);
    else if (stats?.isDirectory()) this.#waiting.push(place);
    else if (!stats?.isFile()) this.#skipped.push(`${shown(place)} is ${stats?.isSymbolicLink() ? 'a link' : 'no ordinary file'}`);
    else this.#takeFile(place, stats.size);
  }

  #takeFile(place: string, bytes: number): void {
    this.#left.bytes -= bytes;
    if (this.#left.bytes < 0) this.#cut = `${shown(this.relative)} has files of more than ${this.limits.bytes} bytes together`;
    else this.#files.push(place);
  }
}

/** One at a time: a directory may have more of them than memory. The names are bytes, though Node's types know nothing of that. */
function* namesIn(directory: number): Iterable<Buffer> {
  const open: Dir = opendirSync(entryOf(directory, '.'), { encoding: 'buffer' as 'utf8' });
  try {
    for (let entry = open.readSync(); entry !== null; entry = open.readSync()) yield entry.name as unknown as Buffer;
  } finally {
    open.closeSync();
  }
}

function statsOf(directory: number, name: Buffer): Stats | undefined {
  const entry = Buffer.concat([Buffer.from(entryOf(directory, '')), name]);
  try {
    return lstatSync(entry);
  } catch {
    return undefined; // of a directory that may be listed, and not entered
  }
}
