/** What decides about the scopes that a run is lent. */
export interface GrantRow {
  /** task.scopes, as they were created. */
  definedScopes: string[];
  /** What is left of them to this run, if it is less. */
  leftScopes: string[] | null;
  /** Whose authority they are from (see Caller.creator); null: nobody knows. */
  creator: string | null;
  creatorSince: Date | null;
  creatorRun: string | null;
  elderRuns: string[] | null;
}

/** The columns of `task_definition` that these are made of. */
export const CREATION = 'scopes, creator, creator_since, creator_run, elder_runs';

const OF_CREATION = `task_definition.scopes as "definedScopes", task_definition.creator, task_definition.creator_since as "creatorSince",
       task_definition.creator_run as "creatorRun", task_definition.elder_runs as "elderRuns"`;

/** For relations `task` and `task_definition`. A subquery: joined, what is nearly always missing would cost twice as much. */
export const GRANT_COLUMNS = `${OF_CREATION},
       (select reduced_run.scopes from reduced_run
         where reduced_run.task_id = task.task_id and reduced_run.run_id = task.run_id limit 1) as "leftScopes"`;

/** The same of runs that were never lent anything. */
export const FIRST_GRANT_COLUMNS = `${OF_CREATION}, null::text[] as "leftScopes"`;
