import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { RUN_ID, SLUGID } from '../http/identifiers.js';
import { Logger } from '../http/logger.js';
import { accountName } from '../http/quota.js';
import { type Refusal, Refusals } from '../http/refusals.js';
import { type AuditKind, type AuditRecord, auditParameters, insertAudit } from '../postgres/audit-log.js';
import { Sql } from '../postgres/sql.js';
import { type Omitted, RefusalBudget } from './refusal-budget.js';

const WRITE_MS = 1_000;
const TELL_MS = 60_000;
/** While the database is away: what is beyond is lost, as is all of it when the process dies. */
const MOST_WAITING = 1_000;

const KINDS: Record<Refusal['code'], AuditKind> = {
  AuthenticationFailed: 'authentication-refused',
  InsufficientScopes: 'authorization-refused',
};

/** Writes refusals down off the path of the request: a few at once, a second late, and of a flood only how many they were. */
@Injectable()
export class AuditedRefusals extends Refusals implements OnModuleDestroy {
  private readonly budget = new RefusalBudget();
  private records: AuditRecord[] = [];
  private writing: NodeJS.Timeout | undefined;
  private telling: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    private readonly sql: Sql,
    private readonly logger: Logger,
  ) {
    super();
  }

  /** Of strangers who lack scopes nobody learns more than how many they were: whoever looks around makes hundreds of those. */
  refused(refusal: Refusal): void {
    const { code, signer } = refusal;
    const account = signer?.account ?? '';
    const stranger = signer === undefined && code === 'InsufficientScopes';
    if (stranger) this.budget.count(account, code);
    else if (this.budget.takes(account, code, performance.now())) this.keep(recordOf(refusal));
    this.writeSoon();
    this.telling ??= later(() => this.tell(), TELL_MS);
  }

  async onModuleDestroy(): Promise<void> {
    this.closed = true;
    clearTimeout(this.telling);
    this.tell();
    clearTimeout(this.writing);
    await this.write();
  }

  /** Writes what waits, at once. */
  async write(): Promise<void> {
    this.writing = undefined;
    const records = this.records.splice(0);
    if (records.length === 0) return;
    try {
      await this.sql.query(insertAudit, auditParameters(records));
    } catch (err) {
      this.logger.warn({ err, refusals: records.length }, 'refusals could not be written to the audit log; it is tried again');
      for (const record of records) this.keep(record);
      this.writeSoon();
    }
  }

  /** Has the counts written, too. */
  tell(): void {
    this.telling = undefined;
    for (const omitted of this.budget.collect()) this.keep(recordOfMore(omitted));
    this.writeSoon();
  }

  private writeSoon(): void {
    if (!this.closed) this.writing ??= later(() => this.write(), WRITE_MS);
  }

  private keep(record: AuditRecord): void {
    if (this.records.length < MOST_WAITING) this.records.push(record);
  }
}

function later(work: () => unknown, ms: number): NodeJS.Timeout {
  return setTimeout(work, ms).unref();
}

/** What was asked for is told by the operation; names in the URL are whatever was sent, so only what looks like a run is kept. */
function recordOf({ code, signer, operation, params }: Refusal): AuditRecord {
  const { taskId = '', runId = '' } = params;
  const isTask = SLUGID.pattern.test(taskId);
  return {
    kind: KINDS[code],
    actor: signer?.clientId,
    ...(isTask && { taskId }),
    ...(isTask && RUN_ID.pattern.test(runId) && Number(runId) <= 1000 && { runId: Number(runId) }),
    ...(operation !== undefined && { detail: { operation } }),
  };
}

function recordOfMore({ account, code, count }: Omitted): AuditRecord {
  const of = KINDS[code as Refusal['code']];
  return { kind: 'refusals-omitted', detail: { of, by: account === undefined ? 'others' : accountName(account), count } };
}
