import { PRIORITIES } from '../priority.js';

/** A place in the order of one rank; the time as Postgres takes it. */
interface Mark {
  scheduled: Date | '-infinity';
  taskId: string;
}

/** Where a look at a queue begins: a mark for each rank. */
export interface Start {
  marks: readonly Mark[];
  atBeginning: boolean;
}

const BEGINNING: readonly Mark[] = PRIORITIES.map(() => ({ scheduled: '-infinity', taskId: '' }));

/** What becomes pending before the mark waits so long at most, while claims of its rank go on. */
export const LOOK_BACK_MS = 1_000;

/**
 * How far one task queue was handed out, rank by rank. Claims begin there, past the dead index entries of what was handed out, which
 * stay as long as any old snapshot is open. Nearly all that becomes pending lands behind the mark, being scheduled now; what does not
 * (a raised priority, a transaction that commits late, a claim that was rolled back) is found by looking from the beginning: once a
 * second, and whenever there is too little behind the mark. Times are milliseconds of a clock that nobody sets.
 */
export class Watermark {
  private marks: readonly Mark[] = BEGINNING;
  private lookedBack = Number.NEGATIVE_INFINITY;

  start(now: number): Start {
    return now - this.lookedBack >= LOOK_BACK_MS ? this.beginning(now) : { marks: this.marks, atBeginning: false };
  }

  beginning(now: number): Start {
    this.lookedBack = now;
    return { marks: BEGINNING, atBeginning: true };
  }

  /**
   * The mark of a rank is the last that was handed out of it, be it further back than it was: there may be more between the two. A rank
   * of which nothing was handed out keeps its own: it was not looked at, or is empty.
   */
  handedOut(rows: readonly { rank: number; scheduled: Date | null; taskId: string }[]): void {
    const marks = [...this.marks];
    for (const { rank, scheduled, taskId } of rows) if (scheduled) marks[rank] = { scheduled, taskId };
    this.marks = marks;
  }
}
