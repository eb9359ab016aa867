/** What a row of such a page has beside its columns. */
export interface Defined {
  /** As it was stored: JSON. */
  definition: string;
  /** Whether the list goes on after it. */
  more: boolean;
}

/**
 * Definitions that one statement answers, in bytes: those of a thousand ordinary tasks. Parsed they can take 25 times as much, and
 * hold up everybody else for a tenth of a second.
 */
export const MOST_BYTES = 2 * 1024 * 1024;

/**
 * The text of a page of tasks with their definitions, which ends where these have become too many bytes, but holds one task at least.
 * The sizes decide before any definition is read: up to the filter it is but a pointer to where it is stored. `lateral` and its
 * `limit` keep the planner at one look into an index for each candidate, however many it guesses.
 */
export function pageOfDefinitions(page: {
  /** Of the relation `task`, which has those of the candidates. */
  columns: string;
  /** A query of tasks in `order`, at most one more than `most`. */
  candidates: string;
  order: string;
  most: string;
}): string {
  return `
select ${page.columns}, task.definition::text as definition, task.more
  from (select candidate.*, stored.definition,
               row_number() over page as place,
               sum(stored.size) over page as bytes,
               lead(candidate.task_id) over page is not null as more
          from (${page.candidates}) as candidate,
               lateral (select definition, size from task_definition where task_definition.task_id = candidate.task_id limit 1) as stored
        window page as (order by ${page.order} rows unbounded preceding)) as task
 where task.place <= ${page.most} and (task.place = 1 or task.bytes <= ${MOST_BYTES})
 order by ${page.order}`;
}
