import { recordAudit, toldScopesOf } from '../../postgres/audit-log.js';

/** For a relation `task` with the columns of the table. */
const WITH_DEFINITION =
  'task, lateral (select creator, scopes from task_definition where task_definition.task_id = task.task_id limit 1) as lent';

/**
 * Text of a `with` query that writes what a lease lends into the audit log: to which worker, until when, and which scopes on whose authority. What
 * is less than that by then is told as `scopes-reduced`. `leased` has the columns of table `task`, and creator and scopes in a relation `lent`.
 */
export function recordLent(actor: string, leased = WITH_DEFINITION): string {
  return recordAudit(leased, {
    kind: 'credentials-lent',
    ofRun: true,
    actor,
    detail: `json_strip_nulls(json_build_object('workerGroup', worker_group, 'workerId', worker_id, 'takenUntil', taken_until,
                                                'creator', lent.creator, ${toldScopesOf('lent.scopes')}))`,
  });
}
