import { Injectable } from '@nestjs/common';
import { type RunHolder, runClientId } from '../../../credentials/run-grant.js';
import { slugid } from '../../../credentials/slugid.js';
import { statusReference } from '../../../credentials/status-list.js';
import { subjectOf, type TaskClaims, type TaskTokenType } from '../../../credentials/task-claims.js';
import { joinScopes } from '../../../credentials/task-token.js';
import { TokenError } from '../../../credentials/token-error.js';
import { signTaskToken } from '../../../credentials/token-mint.js';
import { Config } from '../../config.js';
import { OAuthError } from '../../http/oauth-error.js';
import { type AuditRecord, auditParameters, insertAudit, toldScopes } from '../../postgres/audit-log.js';
import { Sql } from '../../postgres/sql.js';
import { Keyring } from '../keys/keyring.js';
import { type IssuedRow, insertTaskToken } from './sql/insert-task-token.js';
import { StatusPlaces } from './status-places.js';

/** Of one run, at a time. One for each audience is enough; who asks for one per request would fill the table. */
const MOST_OF_A_RUN = 1_000;

/** What a token is to be; everything in it was authorized. */
export interface TokenWish {
  type: TaskTokenType;
  run: RunHolder;
  audience: string;
  scopes: readonly string[];
  /** The key that it is bound to. */
  jkt?: string | undefined;
  /** The token that it is made from: it ends with that, and with those before. */
  parent?: { exp: number; lineage: readonly string[] } | undefined;
}

/** The one place where task tokens are made. */
@Injectable()
export class IssueTokenService {
  constructor(
    private readonly keyring: Keyring,
    private readonly sql: Sql,
    private readonly config: Config,
    private readonly places: StatusPlaces,
  ) {}

  /** One transaction: a token that cannot be signed is not recorded. Throws OAuthError. */
  async issue(wish: TokenWish): Promise<{ token: string; claims: TaskClaims }> {
    // an identity is for clouds, some of which only take RSA
    const signer = this.keyring.signer(wish.type === 'JWT' ? 'RS256' : 'ES256');
    const jti = slugid();
    try {
      return await this.sql.transaction(async (runner) => {
        const [row] = await runner.query(insertTaskToken, this.parameters(wish, jti, signer.kid));
        const made = issued(row, wish);
        const claims = claimsOf(wish, jti, this.config.issuerUrl, { ...made, idx: this.places.of(made.idx) });
        await runner.query(insertAudit, auditParameters([issuance(wish, claims)]));
        return { token: await signTaskToken(claims, wish.type, signer), claims };
      });
    } catch (error) {
      if (error instanceof TokenError) throw new OAuthError('invalid_scope', error.message, { cause: error });
      throw error;
    }
  }

  private parameters({ run, parent }: TokenWish, jti: string, kid: string): unknown[] {
    const { credentialsGrace, tokenMaxLife } = this.config;
    const { taskId, runId, workerGroup, workerId } = run;
    const life = [kid, credentialsGrace, tokenMaxLife, parent?.exp ?? null, parent?.lineage ?? []];
    return [jti, taskId, runId, workerGroup, workerId, ...life, MOST_OF_A_RUN];
  }
}

/** Throws OAuthError for a run that is over, and for one that may have no more. */
function issued(row: IssuedRow | undefined, { run, parent }: TokenWish): IssuedRow & { idx: number } {
  if (!row) throw new OAuthError('invalid_grant', `Run ${run.runId} of task ${run.taskId} is over, and tokens of it with it`);
  const { idx } = row;
  if (idx !== null) return { ...row, idx };
  if (row.expires <= row.issued)
    throw new OAuthError('invalid_grant', 'The lease, or the token that this one is made from, is about to end; reclaim first');
  const more = parent ? ', or the token that this one is made from was revoked' : '';
  throw new OAuthError(
    'invalid_grant',
    `The run has ${MOST_OF_A_RUN} tokens that have not ended${more}; use one for longer, or revoke some`,
  );
}

/** Who was given what: the run asks for itself. */
function issuance({ run, type, audience, scopes }: TokenWish, { jti, exp }: TaskClaims): AuditRecord {
  const { taskId, runId, workerGroup, workerId } = run;
  const detail = { jti, type, audience, exp, worker: `${workerGroup}/${workerId}`, ...toldScopes(scopes) };
  return { kind: 'token-issued', actor: subjectOf(taskId, runId), taskId, runId, detail };
}

function claimsOf(
  { type, run, audience, scopes, jkt }: TokenWish,
  jti: string,
  issuer: string,
  row: IssuedRow & { idx: number },
): TaskClaims {
  const { taskId, runId, workerGroup, workerId } = run;
  return {
    iss: issuer,
    sub: subjectOf(taskId, runId),
    aud: audience,
    ...(type === 'at+jwt' ? { client_id: runClientId({ ...run, takenUntil: row.takenUntil }) } : {}),
    iat: row.issued,
    nbf: row.issued,
    exp: row.expires,
    jti,
    ...(scopes.length > 0 ? { scope: joinScopes(scopes) } : {}),
    task: taskId,
    run: runId,
    task_queue: row.taskQueueId,
    worker: `${workerGroup}/${workerId}`,
    group: row.taskGroupId,
    project: row.projectId,
    fence: row.fence,
    ...(jkt === undefined ? {} : { cnf: { jkt } }),
    status: statusReference(issuer, row.idx),
  };
}
