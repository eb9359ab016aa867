import { Injectable } from '@nestjs/common';
import { CredentialError } from '../../../credentials/credential-error.js';
import type { TaskClaims } from '../../../credentials/task-claims.js';
import { TokenError } from '../../../credentials/token-error.js';
import type { Caller } from '../../http/caller.js';
import { OAuthError } from '../../http/oauth-error.js';
import { auditParameters, insertAudit } from '../../postgres/audit-log.js';
import { Sql } from '../../postgres/sql.js';
import { isOwn } from './own-token.js';
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
    const claims = await this.read(token);
    if (!claims) return;
    if (!isOwn(claims, caller) && !caller.holds('auth:revoke-token'))
      throw new OAuthError('unauthorized_client', 'The token is of another run; to revoke it takes the scope auth:revoke-token');
    const { sub, jti, task: taskId, run: runId } = claims;
    await this.sql.transaction(async (runner) => {
      await runner.query(lockRunTokens, [sub, true]);
      const revoked = await runner.query(revokeTaskTokens, [jti, taskId, runId]);
      if (revoked.length === 0) return;
      const entry = { kind: 'token-revoked', actor: caller.clientId, taskId, runId, detail: { jti } } as const;
      await runner.query(insertAudit, auditParameters([entry]));
    });
  }

  private async read(token: string): Promise<TaskClaims | undefined> {
    try {
      const { claims } = await this.tokens.verify(token, 'at+jwt').catch((error) => {
        if (error instanceof TokenError && error.problem === 'type') return this.tokens.verify(token, 'JWT');
        throw error;
      });
      return claims;
    } catch (error) {
      if (error instanceof CredentialError) return undefined;
      throw error;
    }
  }
}
