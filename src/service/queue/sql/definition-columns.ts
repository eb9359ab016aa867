/** What a row of a page has beside its columns. */
export interface Paged {
  /** Whether the list goes on after it. */
  more: boolean;
}

/** The same of a page of definitions. */
export interface Defined extends Paged {
  /** As it was stored: JSON. */
  definition: string;
  isSigned: boolean;
}

/**
 * Definitions that one statement answers, in bytes: those of a thousand ordinary tasks. Parsed they can take 25 times as much, and
 * hold up everybody else for a tenth of a second.
 */
export const MOST_BYTES = 2 * 1024 * 1024;

/** A past run as it is answered has 300 to 390. A task may have 49, so a thousand tasks 16 MB of them. */
const PAST_RUN_BYTES = 400;

/** An SQL expression of the bytes that the past runs of a row of `task` will have, without a look at them. */
export function pastRunsSize(task: string): string {
  return `${PAST_RUN_BYTES} * coalesce(${task}.run_id, 0)`;
}

interface TextOfPage {
  /** Of the relation `task`, which has those of the candidates. */
  columns: string;
  /** A query of tasks in `order`, at most one more than `most`. */
  candidates: string;
  order: string;
  most: string;
}

/**
 * The text of a page of tasks with their definitions, which ends where these have become too many bytes, but holds one task at least.
 * The sizes decide before any definition is read: up to the filter it is but a pointer to where it is stored. `lateral` and its
 * `limit` keep the planner at one look into an index for each candidate, however many it guesses.
 */
export function pageOfDefinitions({
  columns,
  candidates,
  pastRuns = false,
  ...rest
}: TextOfPage & {
  /** Whether the columns have past runs as well, which count then. */
  pastRuns?: boolean;
}): string {
  return pageBySize({
    columns: `${columns}, task.definition::text as definition, task.is_signed as "isSigned"`,
    candidates: `
select candidate.*, stored.definition, stored.is_signed, stored.size${pastRuns ? ` + ${pastRunsSize('candidate')}` : ''} as bytes
  from (${candidates}) as candidate,
       lateral (select definition, size, signature is not null as is_signed from task_definition where task_definition.task_id = candidate.task_id limit 1) as stored`,
    ...rest,
  });
}

/** The text of a page of tasks, which ends where their `bytes` (a column of the candidates) have become too many. */
export function pageBySize({ columns, candidates, order, most }: TextOfPage): string {
  return `
select ${columns}, task.more
  from (select candidate.*,
               row_number() over page as place,
               sum(candidate.bytes) over page as sum_of_bytes,
               lead(candidate.task_id) over page is not null as more
          from (${candidates}) as candidate
        window page as (order by ${order} rows unbounded preceding)) as task
 where task.place <= ${most} and (task.place = 1 or task.sum_of_bytes <= ${MOST_BYTES})
 order by ${order}`;
}
