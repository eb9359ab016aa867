import { EVENT_HORIZON } from '../../postgres/outbox.js';
import { statement } from '../../postgres/sql.js';
import { ENTRY_COLUMNS, type EntryRow } from './entry-columns.js';

/**
 * The entries after a place, in order, as far as no transaction under way can still put one before them. $1 tx, $2 id, $3 at most so
 * many
 */
export const readUnsealed = statement<EntryRow>(
  'read-unsealed',
  `
with bound as materialized (
  select ${EVENT_HORIZON} as horizon
)
select ${ENTRY_COLUMNS}
  from audit_entry as entry
 where (entry.tx, entry.id) > ($1::xid8, $2::bigint) and entry.tx < (select horizon from bound)
 order by entry.tx, entry.id
 limit $3`,
);
