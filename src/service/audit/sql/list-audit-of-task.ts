import { statement } from '../../postgres/sql.js';
import { pageBy, type SealedRow } from './page-columns.js';

/** What is sealed of a task. Parameters as in `pageBy`. */
export const listAuditOfTask = statement<SealedRow>('list-audit-of-task', pageBy('entry.task_id between $4 and $4', 'entry.task_id, '));
