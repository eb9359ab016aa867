import { statement } from '../../postgres/sql.js';
import { pageBy, type SealedRow } from './page-columns.js';

/** What is sealed of a kind. Parameters as in `pageBy`. */
export const listAuditOfKind = statement<SealedRow>('list-audit-of-kind', pageBy('chain.kind = $4'));
