/** The scopes of a run, and on whose authority they are. */
export interface Grant {
  taskId: string;
  runId: number;
  scopes: readonly string[];
  /** See Caller.creator. */
  creator: string;
  creatorRun: string | null;
}

/** What the creators of tasks may still do. The auth room implements it; the queue only knows this. */
export abstract class Authority {
  /** Whether `covers` said so of the run, and nothing has changed since. By what is in memory, so it may have been forgotten. */
  abstract isCovered(run: Pick<Grant, 'taskId' | 'runId'>): boolean;

  /** Whether the creator is known to hold them all still, by what is in memory. Asked for each lease, so it costs next to nothing. */
  abstract covers(grant: Grant): boolean;

  /** What of the scopes the creator holds, by what the database says now; the scopes themselves if it is all. Throws DatabaseAway. */
  abstract remaining(grant: Grant): Promise<readonly string[]>;
}
