import { createHash } from 'node:crypto';
import { statement } from './sql.js';

/**
 * How statements write entries of the audit log (table `audit_entry`): as one more `with` query, so that change and entry stand or fall
 * together. Chaining is done later (service/audit). An entry is narrow, and never holds a secret: no token, certificate or MAC.
 */

/** All there are; the tests of service/audit know what each of them tells. */
export const AUDIT_KINDS = [
  'credentials-lent',
  'credentials-renewed',
  'artifact-credentials-lent',
  'client-created',
  'client-updated',
  'client-reset',
  'client-enabled',
  'client-disabled',
  'client-deleted',
  'client-expired',
  'role-created',
  'role-updated',
  'role-deleted',
  'authentication-refused',
  'authorization-refused',
  'refusals-omitted',
  'token-issued',
  'token-revoked',
  'key-rotated',
  'key-compromised',
  'scopes-reduced',
  'signature-policy-set',
  'registry-token-issued',
] as const;
export type AuditKind = (typeof AUDIT_KINDS)[number];

/** What is not one of the two kinds that nearly all entries are of: only the rare ones are indexed by kind (migration 17). */
export const IS_RARE = `kind not in ('credentials-lent', 'credentials-renewed')`;
const OF_EACH_LEASE: readonly string[] = ['credentials-lent', 'credentials-renewed'] satisfies AuditKind[];

/** Whether an index finds the entries of a kind. Of the others there are some wherever one looks. */
export function isRare(kind: string): boolean {
  return !OF_EACH_LEASE.includes(kind);
}

/** But for the kind, SQL expressions over the relation. All are texts of ours, never input. */
interface AuditOptions {
  kind: AuditKind | { when: string; kind: AuditKind; otherwise: AuditKind };
  /** The client id of who did it; absent: the service. */
  actor?: string;
  /** Whether the relation has a run, in columns called task_id and run_id. */
  ofRun?: boolean;
  /** The run that did it, if one did. */
  byRun?: { taskId: string; runId: string };
  /** A json object. */
  detail?: string;
}

/** Text of a `with` query that writes an entry for each row of a relation; the relation may bring a `where` along. */
export function recordAudit(relation: string, { kind, actor = 'null', ofRun = false, byRun, detail = 'null::json' }: AuditOptions): string {
  const which = typeof kind === 'string' ? `'${kind}'` : `case when ${kind.when} then '${kind.kind}' else '${kind.otherwise}' end`;
  const run = ofRun ? { taskId: 'task_id', runId: 'run_id' } : byRun;
  return run
    ? `insert into audit_entry (kind, actor, task_id, run_id, detail) select ${which}, ${actor}, ${run.taskId}, ${run.runId}, ${detail} from ${relation}`
    : `insert into audit_entry (kind, actor, detail) select ${which}, ${actor}, ${detail} from ${relation}`;
}

/** Of statements whose parameters `from` and the two after it are those of `doerOf`. */
export const doneBy = (from: number) => ({
  actor: `$${from}`,
  byRun: { taskId: `$${from + 1}::text`, runId: `$${from + 2}::smallint` },
});

/** Who does something, as parameters of a statement: the client id, and the run, if it is one. */
export function doerOf({
  clientId,
  run,
}: {
  clientId: string | undefined;
  run?: { taskId: string; runId: number } | undefined;
}): unknown[] {
  return [clientId, run?.taskId, run?.runId];
}

/** An entry of what changes no row that would tell it. */
export interface AuditRecord {
  kind: AuditKind;
  actor?: string | undefined;
  taskId?: string | undefined;
  runId?: number | undefined;
  detail?: object;
}

/** See `auditParameters`. $1 kinds, $2 actors, $3 task_ids, $4 run_ids, $5 details */
export const insertAudit = statement(
  'insert-audit',
  `
insert into audit_entry (kind, actor, task_id, run_id, detail)
select * from unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::json[])`,
);

export function auditParameters(records: readonly AuditRecord[]): unknown[] {
  const of = <T>(read: (record: AuditRecord) => T | undefined) => records.map((record) => read(record) ?? null);
  return [
    of(({ kind }) => kind),
    of(({ actor }) => actor),
    of(({ taskId }) => taskId),
    of(({ runId }) => runId),
    of(({ detail }) => detail && JSON.stringify(detail)),
  ];
}

/** Of JSON. A client may be given megabytes of scopes: longer lists are told by their number and digest. */
const LONGEST_SCOPES = 4_096;

/** What an entry tells of scopes that were given to somebody. */
export function toldScopes(scopes: readonly string[]): object {
  const text = JSON.stringify(scopes);
  if (text.length <= LONGEST_SCOPES) return { scopes };
  return { scopesCount: scopes.length, scopesSha256: createHash('sha256').update(text).digest('hex') };
}

/** The same in SQL: names and values for json_build_object, of which null is to be left out. */
export function toldScopesOf(scopes: string): string {
  const text = `to_json(${scopes})::text`;
  const isLong = `length(${text}) > ${LONGEST_SCOPES}`;
  return `'scopes', case when not ${isLong} then to_json(${scopes}) end,
          'scopesCount', case when ${isLong} then cardinality(${scopes}) end,
          'scopesSha256', case when ${isLong} then encode(sha256(convert_to(${text}, 'UTF8')), 'hex') end`;
}
