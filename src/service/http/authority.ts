import type { Creator } from './caller.js';

/** The scopes of a run, and on whose authority they are. */
export interface Grant {
  taskId: string;
  runId: number;
  scopes: readonly string[];
  /** See Caller.creator. */
  creator: string;
  creatorSince: Date | null;
  creatorRun: string | null;
  elderRuns: readonly string[] | null;
}

/** Why a run is left with less: what became of the client behind its task, or that the client has less itself. */
export const LOSSES = ['client-deleted', 'client-replaced', 'client-disabled', 'client-expired', 'scopes-lost'] as const;
export type Loss = (typeof LOSSES)[number];

/** What is left of the scopes of a run: the very same list if it is all. Otherwise it says why. */
export interface Remainder {
  scopes: readonly string[];
  because: Loss;
}

/** What the creators of tasks may still do. The auth room implements it, the queue asks; neither knows the other, so they meet here. */
export abstract class Authority {
  /**
   * What a new task with these scopes remembers of its creator: of the runs further up only those that gave it what they had of
   * themselves, and its client has not. So there are never more of them than scopes, and nearly always none.
   */
  abstract trace(creator: Creator, scopes: readonly string[]): Creator;

  /** Whether `covers` said so of the run, and nothing has changed since. By what is in memory, so it may have been forgotten. */
  abstract isCovered(run: Pick<Grant, 'taskId' | 'runId'>): boolean;

  /** Whether the creator is known to hold them all still, by what is in memory. Asked for each lease, so it costs next to nothing. */
  abstract covers(grant: Grant): boolean;

  /** What of the scopes the creator holds, by what the database says now. Throws DatabaseAway. */
  abstract remaining(grant: Grant): Promise<Remainder>;
}
