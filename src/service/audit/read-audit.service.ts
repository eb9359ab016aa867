import { Injectable } from '@nestjs/common';
import { ApiError } from '../http/api-error.js';
import { cut, keyOf, type PageQuery, pageSize } from '../http/page.js';
import { isRare } from '../postgres/audit-log.js';
import { Sql, type Statement } from '../postgres/sql.js';
import type { AuditResponse } from './audit.dto.js';
import { findPlaceBefore } from './sql/find-place-before.js';
import { findPlaceOf, type Place } from './sql/find-place-of.js';
import { listAudit } from './sql/list-audit.js';
import { listAuditOfActor } from './sql/list-audit-of-actor.js';
import { listAuditOfKind } from './sql/list-audit-of-kind.js';
import { listAuditOfTask } from './sql/list-audit-of-task.js';
import type { SealedRow } from './sql/page-columns.js';

/** What a caller wants to see; absent: whatever it is. */
export interface AuditFilter {
  taskId: string | undefined;
  actor: string | undefined;
  kind: string | undefined;
  since: string | undefined;
}

/** Reads what is sealed, in the order of the chain. */
@Injectable()
export class ReadAudit {
  constructor(private readonly sql: Sql) {}

  async page(filter: AuditFilter, { limit, token }: PageQuery): Promise<AuditResponse> {
    const { taskId, actor, kind, since } = filter;
    const size = pageSize(limit);
    const after = token === undefined ? '0' : seqOf(token);
    const { tx, id } = await this.placeOf(after, since);
    const rows = await this.sql.query(statementFor(filter), [tx, id, after, taskId, actor, kind, since, size + 1]);
    const { items, ...more } = cut(rows, size, ({ seq }) => [seq]);
    return { entries: items.map(describe), ...more };
  }

  /** Nobody walks over years to come to yesterday. */
  private async placeOf(after: string, since: string | undefined): Promise<Place> {
    const isFirst = after === '0' && since !== undefined;
    const [place] = await (isFirst ? this.sql.query(findPlaceBefore, [since]) : this.sql.query(findPlaceOf, [after]));
    return place ?? { tx: '0', id: '0' };
  }
}

function statementFor({ taskId, actor, kind }: AuditFilter): Statement<SealedRow> {
  if (taskId !== undefined) return listAuditOfTask;
  if (actor !== undefined) return listAuditOfActor;
  return kind !== undefined && isRare(kind) ? listAuditOfKind : listAudit;
}

/** Throws InvalidRequestArguments for what is no number that Postgres takes. */
function seqOf(token: string): string {
  const seq = keyOf(token, 1)[0] ?? '';
  if (/^\d{1,18}$/.test(seq)) return seq;
  throw new ApiError('InvalidRequestArguments', 'Query parameter continuationToken is not one that this service gave; begin without it');
}

function describe({ seq, hash, at, kind, actor, taskId, runId, detail }: SealedRow): AuditResponse['entries'][number] {
  return {
    seq: Number(seq),
    at: at.toISOString(),
    kind,
    ...(actor !== null && { actor }),
    ...(taskId !== null && { taskId }),
    ...(runId !== null && { runId }),
    ...(detail !== null && { detail }),
    hash: hash.toString('hex'),
  };
}
