import { Injectable } from '@nestjs/common';
import { CredentialError } from '../../../credentials/credential-error.js';
import { type RunHolder, withoutWorkerIdentity } from '../../../credentials/run-grant.js';
import type { TaskClaims, TaskTokenType } from '../../../credentials/task-claims.js';
import { splitScopes, type VerifiedToken, verifyTaskToken } from '../../../credentials/task-token.js';
import { intersectScopes } from '../../../scopes/scope-set.js';
import { Config } from '../../config.js';
import { Sql } from '../../postgres/sql.js';
import { Keyring } from '../keys/keyring.js';
import { Registry } from '../registry.js';
import { RunAuthority } from '../run-authority.js';
import type { RunRow } from '../sql/run-columns.js';
import { findTokenRun } from './sql/find-token-run.js';

/** A token that has neither ended nor been revoked, and its run, which may have. */
export interface HeldToken {
  claims: TaskClaims;
  holder: RunHolder;
  run: RunRow;
  /** Those it was made from. */
  ancestors: readonly string[];
}

/** Task tokens as they are shown to us. */
@Injectable()
export class TaskTokens {
  constructor(
    private readonly keyring: Keyring,
    private readonly registry: Registry,
    private readonly authority: RunAuthority,
    private readonly sql: Sql,
    private readonly config: Config,
  ) {}

  /** What a token that we signed says, whoever it is for and however long ago: our own clock decides nothing. Throws TokenError. */
  verify(token: string, type: TaskTokenType, audiences?: readonly string[]): Promise<VerifiedToken> {
    const terms = { type, issuer: this.config.issuerUrl, keyOf: (kid: string) => this.keyring.findPublicKey(kid) };
    return verifyTaskToken(token, audiences ? { ...terms, audiences } : terms);
  }

  /** The same of one that is for us. */
  verifyOurs(token: string): Promise<VerifiedToken> {
    return this.verify(token, 'at+jwt', [...new Set([this.config.issuerUrl, this.config.rootUrl])]);
  }

  /**
   * Throws CredentialError for one that was revoked, whose time is over or has not come by the database's clock, whose key leaked, or that
   * says other things than were recorded of it.
   */
  async find({ claims, kid }: VerifiedToken): Promise<HeldToken> {
    await this.registry.fresh();
    const { jti, task, run: runId, iat, nbf, exp } = claims;
    const [found] = await this.sql.query(findTokenRun, [jti, task, runId, kid, Math.max(iat, nbf), exp]);
    if (!found) throw new CredentialError('The token was revoked, or has expired, or is not valid yet');
    const holder = holderOf(claims);
    this.authority.assertHeld(holder, found);
    const { ancestors, ...run } = found;
    return { claims, holder, run, ancestors };
  }

  /** What of its scopes the run holds now, not expanded. Those that name the worker mean the run, as in its own credentials. */
  granted({ claims, holder, run }: HeldToken): string[] {
    return intersectScopes(withoutWorkerIdentity(splitScopes(claims.scope), holder), this.authority.held(holder, run.taskScopes));
  }
}

function holderOf({ task, run, worker }: TaskClaims): RunHolder {
  const [workerGroup = '', workerId = ''] = worker.split('/');
  return { taskId: task, runId: run, workerGroup, workerId };
}
