import { Injectable } from '@nestjs/common';
import { normalHolds, unheldScopes } from '../../../scopes/scope-set.js';
import { Config } from '../../config.js';
import { Authority, type Grant } from '../../http/authority.js';
import { Sql } from '../../postgres/sql.js';
import { findGrant } from '../sql/find-grant.js';
import { findHeldGrant } from '../sql/find-held-grant.js';
import type { GrantRow } from '../sql/grant-columns.js';
import { reduceRun } from '../sql/reduce-run.js';
import type { TaskRow } from '../sql/task-columns.js';

/** A run that was just leased, or its lease extended. */
export type LeasedRun = TaskRow & GrantRow;
type GrantedRun = Pick<LeasedRun, 'taskId' | 'runId'> & GrantRow;

/** Characters of scopes that one event tells: as many as it may have of tags. */
const MOST_TOLD = 16_384;

/** As many as a definition may have. */
const MOST_SCOPES = 10_000;

/** Two replicas reduce one run at once, each by what it knows of the creator. The one that comes second reads what the other left. */
const MOST_TRIES = 5;

/**
 * Takes from a run what the creator of its task does not hold any more, whenever it is lent credentials. What was taken stays taken while
 * the run lasts; the next run of the task begins with task.scopes again.
 */
@Injectable()
export class RederiveScopes {
  constructor(
    private readonly sql: Sql,
    private readonly authority: Authority,
    private readonly config: Config,
  ) {}

  /** The scopes that the run may be lent as its task. Without a statement while its creator holds all that it has. */
  async of(row: GrantedRun): Promise<readonly string[]> {
    const grant = this.config.rederiveScopes ? grantOf(row) : undefined;
    return !grant || this.authority.covers(grant) ? scopesOf(row) : this.reduce(row, grant, 1);
  }

  /**
   * Before its lease is extended: where this fails, the run must not go on with what it has. Without a statement for a run that was
   * looked at since anything changed; otherwise one more.
   */
  async ofHeld(taskId: string, runId: number): Promise<void> {
    if (!this.config.rederiveScopes || this.authority.isCovered({ taskId, runId })) return;
    const [row] = await this.sql.query(findHeldGrant, [taskId, runId]);
    if (row) await this.of({ taskId, runId, ...row });
  }

  private async reduce(row: GrantRow, grant: Grant, tries: number): Promise<readonly string[]> {
    const { scopes: left, because } = await this.authority.remaining(grant);
    if (left === grant.scopes) return left;
    const scopes = isWithin(left, this.config.maxTaskSize) ? left : wholeOf(grant.scopes, left);
    const detail = JSON.stringify({ runId: grant.runId, creator: grant.creator, because, ...lossOf(grant.scopes, scopes) });
    const written = await this.sql.query(reduceRun, [grant.taskId, grant.runId, scopes, row.leftScopes, detail]);
    if (written.length > 0) this.authority.covers({ ...grant, scopes }); // it is remembered
    if (written.length > 0 || tries === MOST_TRIES) return scopes;
    const [known] = await this.sql.query(findGrant, [grant.taskId, grant.runId]);
    return known ? this.reduce(known, { ...grant, scopes: scopesOf(known) }, tries + 1) : scopes;
  }
}

function scopesOf({ leftScopes, definedScopes }: GrantRow): readonly string[] {
  return leftScopes ?? definedScopes;
}

/** Undefined where nobody knows the creator: the task is older than that it was written down. */
function grantOf(row: GrantedRun): Grant | undefined {
  const { taskId, runId, creator, creatorSince, creatorRun, elderRuns } = row;
  if (creator === null || runId === null) return undefined;
  return { taskId, runId, scopes: scopesOf(row), creator, creatorSince, creatorRun, elderRuns };
}

/** Whether a definition could have them. A client may hold 10 MB of what one pattern satisfies, and each use of the run compares them all. */
function isWithin(scopes: readonly string[], mostBytes: number): boolean {
  return scopes.length <= MOST_SCOPES && scopes.reduce((sum, { length }) => sum + length + 3, 1) <= mostBytes;
}

/** Those that are left wholly: of patterns that are left in part, nothing. `left` is in normal form. */
function wholeOf(scopes: readonly string[], left: readonly string[]): readonly string[] {
  return scopes.filter((scope) => normalHolds(left, scope));
}

/** What an event tells: how many scopes are not held any more, or not wholly, and the first of them. */
function lossOf(before: readonly string[], after: readonly string[]): { lost: string[]; lostCount: number } {
  const lost = unheldScopes(after, before);
  let told = 0;
  const beyond = lost.findIndex((scope) => {
    told += scope.length;
    return told > MOST_TOLD;
  });
  return { lost: beyond < 0 ? lost : lost.slice(0, beyond), lostCount: lost.length };
}
