import { appendFileSync, closeSync, fdatasyncSync } from 'node:fs';
import { SetupError } from '../state/setup-error.js';
import type { StateDir } from '../state/state-dir.js';

/** In the state directory: a line for each run that was begun, `<taskId>/<runId> <exp>`. */
const FILE = 'begun-runs';
const LINE = /^([A-Za-z0-9_-]{22}\/\d{1,4}) (\d{1,11})$/;

/** Five a second, where signatures are good for an hour or two. In memory that is some 60 MB. */
const MOST_RUNS = 500_000;

/**
 * Seconds for which a run is remembered after its signature has ended: clocks differ by ten minutes at most, and may be set back. A clock
 * may also be ahead when the worker starts, by hours or a time zone; if it is by more than this, runs are forgotten that may come again.
 */
const KEPT_AFTER = 86_400;

/** Seconds from one forgetting to the next: the file is written anew, which takes up to a second in which nothing else happens. */
const FORGET_EVERY = 60;

export interface Run {
  readonly taskId: string;
  readonly runId: number;
}

/**
 * Which runs this worker has begun, as long as their signatures may be good: a queue that hands one out twice must not have it run twice,
 * whatever happened to the worker in between.
 */
export class SeenRuns {
  /** When their signatures end, in unix seconds. */
  readonly #ends: Map<string, number>;
  #file: number | undefined;
  #forgotAt = 0;

  private constructor(
    private readonly stateDir: StateDir,
    ends: Map<string, number>,
  ) {
    this.#ends = ends;
  }

  /** Forgets what is over at `now` (unix seconds), on disk, too. Throws SetupError where the file cannot be read as it was written. */
  static open(stateDir: StateDir, now: number): SeenRuns {
    assertSeconds(now);
    const runs = new SeenRuns(stateDir, endsIn(stateDir.read(FILE) ?? ''));
    runs.#forget(now);
    runs.#file = runs.#rewritten();
    return runs;
  }

  /**
   * Whether that run may begin, whose signature may be good until `exp`: once, and never again. It is on disk when this returns. Throws where
   * that cannot be, and where so many are remembered that none more can be: whoever forgot one of them could have it run again.
   */
  begin(run: Run, exp: number, now: number): boolean {
    assertSeconds(now);
    assertSeconds(exp);
    const [key, end] = [keyOf(run), Math.ceil(exp)];
    if (this.#ends.has(key)) return false;
    this.#makeRoom(now);
    this.#append(lineOf(key, end));
    this.#ends.set(key, end);
    return true;
  }

  /** Throws where no run could begin now. What could not be written is tried again. */
  assertCanBegin(now: number): void {
    assertSeconds(now);
    this.#makeRoom(now);
    this.#ready();
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #append(line: string): void {
    const file = this.#ready();
    try {
      appendFileSync(file, line);
      fdatasyncSync(file);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** What has failed once may have left a part of a line, and a file may be removed: then it is written anew, from memory. */
  #ready(): number {
    if (this.#file !== undefined && !this.stateDir.holds(FILE, this.#file)) this.close();
    this.#file ??= this.#rewritten();
    return this.#file;
  }

  #makeRoom(now: number): void {
    if (this.#ends.size < MOST_RUNS) return;
    if (Math.abs(now - this.#forgotAt) >= FORGET_EVERY) this.#forget(now);
    if (this.#ends.size >= MOST_RUNS)
      throw new SetupError(
        `${MOST_RUNS} runs are remembered whose signatures may still be good, and no more can be; sign for a shorter time`,
      );
  }

  #forget(now: number): void {
    this.#forgotAt = now;
    for (const [key, exp] of this.#ends) if (exp + KEPT_AFTER < now) this.#ends.delete(key);
    this.close();
  }

  #rewritten(): number {
    this.stateDir.replace(FILE, [...this.#ends].map(([key, exp]) => lineOf(key, exp)).join(''));
    return this.stateDir.openFile(FILE);
  }
}

const keyOf = ({ taskId, runId }: Run) => `${taskId}/${runId}`;
const lineOf = (key: string, exp: number) => `${key} ${exp}\n`;

/** In milliseconds all that was begun would be over. */
function assertSeconds(time: number): void {
  if (!(time >= 1e9 && time < 1e11)) throw new TypeError('Times of runs must be in unix seconds');
}

/** A last line without its end was cut off: nobody was told that the run may begin, and none did. */
function endsIn(text: string): Map<string, number> {
  const lines = text.split('\n').slice(0, -1);
  return new Map(
    lines.map((line, index) => {
      const [, key, exp] = LINE.exec(line) ?? [];
      if (key !== undefined) return [key, Number(exp)];
      const fix = 'remove it once the signatures of all that was run have ended, not before; a copy from a backup lacks what began since';
      throw new SetupError(`Line ${index + 1} of ${FILE} in the state directory is damaged: ${fix}`);
    }),
  );
}
