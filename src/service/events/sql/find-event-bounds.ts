import { EVENT_HORIZON } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';

/**
 * `head`: every event that comes from now on has this tx or a higher one. `newest`: no transaction has come so far yet.
 * `forgottenTx`, `forgottenId`: up to where events were deleted.
 */
export const findEventBounds = statement<{ head: string; newest: string; forgottenTx: string; forgottenId: string }>(
  'find-event-bounds',
  `
select ${EVENT_HORIZON} as head, pg_snapshot_xmax(pg_current_snapshot()) as newest, tx as "forgottenTx", id as "forgottenId"
  from event_reader
 where name = 'forgotten'`,
);
