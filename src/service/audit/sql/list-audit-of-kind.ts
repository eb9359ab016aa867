import { IS_RARE } from '../../postgres/audit-log.js';
import { statement } from '../../postgres/sql.js';
import { pageBy, type SealedRow } from './page-columns.js';

/** What is sealed of a kind that is rare. Parameters as in `pageBy`. */
export const listAuditOfKind = statement<SealedRow>(
  'list-audit-of-kind',
  pageBy(`entry.kind between $6 and $6 and entry.${IS_RARE}`, 'entry.kind, '),
);
