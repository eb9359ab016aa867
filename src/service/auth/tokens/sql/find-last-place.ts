import { statement } from '../../../postgres/sql.js';

/** The largest place that a token has; null: there is none. */
export const findLastPlace = statement<{ idx: number | null }>(
  'find-last-place',
  `
select max(idx)::float8 as idx from task_token`,
);
