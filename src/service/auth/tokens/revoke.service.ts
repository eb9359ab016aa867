import { Injectable } from '@nestjs/common';
import { CredentialError } from '../../../credentials/credential-error.js';
import type { TaskClaims } from '../../../credentials/task-claims.js';
import { TokenError } from '../../../credentials/token-error.js';
import type { Caller } from '../../http/caller.js';
import { OAuthError } from '../../http/oauth-error.js';
import { auditParameters, insertAudit } from '../../postgres/audit-log.js';
import { Sql } from '../../postgres/sql.js';
import { isOwn } from './own-token.js';
import { revokeDescendants } from './sql/revoke-descendants.js';
import { revokeTaskToken } from './sql/revoke-task-token.js';
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
    await this.sql.transaction(async (runner) => {
      const [row] = await runner.query(revokeTaskToken, [claims.jti]);
      if (!row) return;
      await runner.query(revokeDescendants, [row.taskId, row.runId, claims.jti]);
      const entry = { kind: 'token-revoked', actor: caller.clientId, ...row, detail: { jti: claims.jti } } as const;
      await runner.query(insertAudit, auditParameters([entry]));
    });
  }

  private async read(token: string): Promise<TaskClaims | undefined> {
    try {
      return await this.tokens.verify(token, 'at+jwt').catch((error) => {
        if (error instanceof TokenError && error.problem === 'type') return this.tokens.verify(token, 'JWT');
        throw error;
      });
    } catch (error) {
      if (error instanceof CredentialError) return undefined;
      throw error;
    }
  }
}
