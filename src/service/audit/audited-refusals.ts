import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { Signer } from '../http/authentication-error.js';
import { RUN_ID, SLUGID } from '../http/identifiers.js';
import { Logger } from '../http/logger.js';
import { accountName } from '../http/quota.js';
import { type Refusal, Refusals } from '../http/refusals.js';
import { type AuditKind, type AuditRecord, auditParameters, insertAudit } from '../postgres/audit-log.js';
import { LateWriter } from '../postgres/late-writer.js';
import { Sql } from '../postgres/sql.js';
import { type Omitted, RefusalBudget } from './refusal-budget.js';

const WRITE_MS = 1_000;
const TELL_MS = 60_000;
/** While the database is away: what is beyond is only counted, and all of it is lost when the process dies. */
const MOST_WAITING = 1_000;

/** No client id has such characters. */
const OF_RUN = '* ';

const KINDS: Record<Refusal['code'], AuditKind> = {
  AuthenticationFailed: 'authentication-refused',
  InsufficientScopes: 'authorization-refused',
};

/** A record, and how it is counted where there is no room for it. */
interface Waiting {
  who: string;
  code: string;
  record: AuditRecord;
}

/** Writes refusals down off the path of the request: a few at once, a second late, and of a flood only how many they were. */
@Injectable()
export class AuditedRefusals extends Refusals implements OnModuleDestroy {
  private readonly budget = new RefusalBudget();
  private readonly writer: LateWriter<Waiting>;
  private telling: NodeJS.Timeout | undefined;

  constructor(sql: Sql, logger: Logger) {
    super();
    const write = async (waiting: Waiting[]) => {
      await sql.query(insertAudit, auditParameters(waiting.map(({ record }) => record)));
    };
    const failed = (waiting: Waiting[]) => {
      for (const one of waiting) this.keep(one);
    };
    this.writer = new LateWriter({ what: 'refusals, for the audit log,', most: MOST_WAITING, everyMs: WRITE_MS, write, failed }, logger);
  }

  /** Of strangers who lack scopes nobody learns more than how many they were: whoever looks around makes hundreds of those. */
  refused(refusal: Refusal): void {
    const { code, signer } = refusal;
    const who = nameOf(signer);
    const stranger = signer === undefined && code === 'InsufficientScopes';
    if (stranger) this.budget.count(who, code);
    else if (this.budget.takes(who, code, performance.now(), signer?.run !== undefined))
      this.keep({ who, code, record: recordOf(refusal) });
    this.telling ??= setTimeout(() => this.tell(), TELL_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearTimeout(this.telling);
    this.tell();
    await this.writer.close();
  }

  /** Writes what waits, at once. */
  write(): Promise<void> {
    return this.writer.flush();
  }

  /** Has the counts written, too. */
  tell(): void {
    this.telling = undefined;
    for (const omitted of this.budget.collect())
      this.keep({ who: omitted.account ?? '', code: omitted.code, record: recordOfMore(omitted) });
  }

  /** What there is no room for is counted. */
  private keep(one: Waiting): void {
    if (!this.writer.add(one)) this.budget.count(one.who, one.code);
  }
}

/** Who shares ten of them a minute: a run is on its own, though all runs are one account otherwise, so that none can hide another. */
function nameOf(signer: Signer | undefined): string {
  if (signer?.run) return `${OF_RUN}${signer.run.taskId}/${signer.run.runId}`;
  return signer?.account ?? '';
}

function shownName(who: string): string {
  return who.startsWith(OF_RUN) ? `task-run:${who.slice(OF_RUN.length)}` : accountName(who);
}

/** What was asked for is told by the operation; names in the URL are whatever was sent, so only what looks like a run is kept. */
function recordOf({ code, signer, operation, params, error }: Refusal): AuditRecord {
  const { taskId = '', runId = '' } = params;
  const target = {
    ...(SLUGID.pattern.test(taskId) && { taskId }),
    ...(RUN_ID.pattern.test(runId) && Number(runId) <= 1000 && { runId: Number(runId) }),
  };
  const { taskId: ownTask, runId: ownRun } = signer?.run ?? {};
  return { kind: KINDS[code], actor: signer?.clientId, taskId: ownTask, runId: ownRun, detail: { operation, error, ...target } };
}

function recordOfMore({ account, code, count }: Omitted): AuditRecord {
  const of = KINDS[code as Refusal['code']];
  return { kind: 'refusals-omitted', detail: { of, by: account === undefined ? 'others' : shownName(account), count } };
}
