import { statement } from '../../postgres/sql.js';

/** `head`: every event that comes from now on has this tx or a higher one. `forgottenTx`, `forgottenId`: up to where they were deleted. */
export const findEventBounds = statement<{ head: string; forgottenTx: string; forgottenId: string }>(
  'find-event-bounds',
  `
select pg_snapshot_xmin(pg_current_snapshot()) as head, tx as "forgottenTx", id as "forgottenId"
  from event_reader
 where name = 'forgotten'`,
);
