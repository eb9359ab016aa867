import { statement } from '../../postgres/sql.js';
import { pageBy, type SealedRow } from './page-columns.js';

/** All that is sealed. Parameters as in `pageBy`. */
export const listAudit = statement<SealedRow>('list-audit', pageBy('true'));
