import { recordAudit } from '../../postgres/audit-log.js';
import { statement } from '../../postgres/sql.js';
import { OF_TOKEN, TOKEN_DATES, type TokenDates } from './token-dates-columns.js';

/**
 * The same of who is no run. Who has no credentials is not written down: anybody could fill the log.
 * $1 to $5 as in `token-dates-columns`, $6 client id, or null
 */
export const dateClientToken = statement<TokenDates>(
  'date-client-token',
  `
with token as materialized (
  select date_trunc('second', now()) as issued,
         date_trunc('second', least(now() + make_interval(secs => $1), to_timestamp($2::float8))) as expires
), recorded as (
  ${recordAudit(`${OF_TOKEN.relation} and $6::text is not null`, { kind: 'registry-token-issued', actor: '$6::text', detail: OF_TOKEN.detail })}
)
select ${TOKEN_DATES}
  from token`,
);
