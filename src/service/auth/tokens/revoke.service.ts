import { Injectable } from '@nestjs/common';
import { CredentialError } from '../../../credentials/credential-error.js';
import type { VerifiedToken } from '../../../credentials/task-token.js';
import { TokenError } from '../../../credentials/token-error.js';
import type { Caller } from '../../http/caller.js';
import { OAuthError } from '../../http/oauth-error.js';
import { auditParameters, insertAudit } from '../../postgres/audit-log.js';
import { Sql } from '../../postgres/sql.js';
import { isMadeFrom, isOwn } from './own-token.js';
import { lockRunTokens } from './sql/lock-run-tokens.js';
import { revokeTaskTokens } from './sql/revoke-task-tokens.js';
import { TaskTokens } from './task-tokens.js';

/** Takes tokens back before their time (RFC 7009). */
@Injectable()
export class RevokeService {
  constructor(
    private readonly tokens: TaskTokens,
    private readonly sql: Sql,
  ) {}

  /** With all that was made from it. What is no token any more is fine: the outcome is the same. Throws OAuthError for a token of another's. */
  async revoke(token: string, caller: Caller): Promise<void> {
    const verified = await orNone(this.read(token));
    if (!verified || !(await this.mayRevoke(verified, caller))) return;
    const { sub, jti, task: taskId, run: runId } = verified.claims;
    await this.sql.transaction(async (runner) => {
      await runner.query(lockRunTokens, [sub, true]);
      const revoked = await runner.query(revokeTaskTokens, [jti, taskId, runId]);
      if (revoked.length === 0) return;
      const entry = { kind: 'token-revoked', actor: caller.clientId, taskId, runId, detail: { jti } } as const;
      await runner.query(insertAudit, auditParameters([entry]));
    });
  }

  private read(token: string): Promise<VerifiedToken> {
    return this.tokens.verify(token, 'at+jwt').catch((error) => {
      if (error instanceof TokenError && error.problem === 'type') return this.tokens.verify(token, 'JWT');
      throw error;
    });
  }

  /** False: there is nothing left to take back. Throws OAuthError. */
  private async mayRevoke(verified: VerifiedToken, caller: Caller): Promise<boolean> {
    if (isOwn(verified.claims, caller) || caller.holds('auth:revoke-token')) return true;
    if (caller.run?.byToken !== undefined) {
      const held = await orNone(this.tokens.find(verified));
      if (!held || isMadeFrom(held, caller)) return held !== undefined;
    }
    throw new OAuthError(
      'unauthorized_client',
      'The token is of another run, or what asks is only a part of its run; to revoke it takes the scope auth:revoke-token',
    );
  }
}

/** What is asked for; undefined where that is no token, or none any more. */
async function orNone<T>(token: Promise<T>): Promise<T | undefined> {
  try {
    return await token;
  } catch (error) {
    if (error instanceof CredentialError) return undefined;
    throw error;
  }
}
