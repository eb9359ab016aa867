import { EVENT_HORIZON } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';

/** How far a reader of the deployment has come. */
export interface ReaderRow {
  tx: string;
  id: string;
  /** Whether events after this place were deleted. */
  missed: boolean;
}

/**
 * The place of a reader; one that was never there before begins now. No row: another replica has begun it at this very moment.
 * $1 name
 */
export const beginReading = statement<ReaderRow>(
  'begin-reading',
  `
with begun as (
  insert into event_reader (name, tx) values ($1, ${EVENT_HORIZON})
  on conflict (name) do nothing
  returning tx, id
), reader as (
  select tx, id from begun union all select tx, id from event_reader where name = $1
)
select reader.tx, reader.id, (reader.tx, reader.id) < (forgotten.tx, forgotten.id) as missed
  from reader, event_reader as forgotten
 where forgotten.name = 'forgotten'`,
);
