import { EVENT_HORIZON } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';

/** `head`: every event that comes from now on has this tx or a higher one. `forgottenTx`, `forgottenId`: up to where they were deleted. */
export const findEventBounds = statement<{ head: string; forgottenTx: string; forgottenId: string }>(
  'find-event-bounds',
  `
select ${EVENT_HORIZON} as head, tx as "forgottenTx", id as "forgottenId"
  from event_reader
 where name = 'forgotten'`,
);
