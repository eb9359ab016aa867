import { statement } from '../../postgres/sql.js';
import { pageBy, type SealedRow } from './page-columns.js';

/** What is sealed of an actor. Parameters as in `pageBy`. */
export const listAuditOfActor = statement<SealedRow>('list-audit-of-actor', pageBy('entry.actor between $5 and $5', 'entry.actor, '));
