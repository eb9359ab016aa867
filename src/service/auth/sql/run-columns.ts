/** What authentication needs to know of a run, by the database's clock. */
export interface RunRow {
  state: string;
  reasonResolved: string | null;
  workerGroup: string | null;
  workerId: string | null;
  takenUntil: Date | null;
  /** Its lease has not lapsed. */
  leased: boolean;
  /** It ended less than 25 minutes ago. */
  recent: boolean;
  /** What it may do as its task: task.scopes, or what was left of them. */
  taskScopes: string[];
  /** task.scopes, if not all of them were left. */
  definedScopes: string[] | null;
  /** How often some of them were taken. */
  losses: number;
  /** On whose authority the task was created: a Creator (http/caller.ts). */
  creator: { clientId: string | null; since: string | null; run: string | null; elders: string[] };
}

/** The one list of columns, for a relation called `run` with the columns of a run, be it of `task` or of `past_run`. */
export const RUN_COLUMNS = `run.state, run.reason_resolved as "reasonResolved", run.worker_group as "workerGroup", run.worker_id as "workerId",
       run.taken_until as "takenUntil", coalesce(run.taken_until > now(), false) as leased,
       coalesce(run.resolved > now() - interval '25 minutes', false) as recent,
       coalesce(reduced_run.scopes, task_definition.scopes) as "taskScopes",
       case when reduced_run.scopes is not null then task_definition.scopes end as "definedScopes", coalesce(reduced_run.losses, 0) as losses,
       json_build_object('clientId', task_definition.creator, 'since', task_definition.creator_since, 'run', task_definition.creator_run,
                         'elders', coalesce(task_definition.elder_runs, '{}')) as creator`;

/** What else they are read from. */
export const OF_RUN = `run join task_definition using (task_id)
           left join reduced_run using (task_id, run_id)`;
