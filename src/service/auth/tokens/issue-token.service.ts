import { Injectable } from '@nestjs/common';
import { type RunHolder, runClientId } from '../../../credentials/run-grant.js';
import { slugid } from '../../../credentials/slugid.js';
import { statusReference } from '../../../credentials/status-list.js';
import { ALG_OF, subjectOf, type TaskClaims, type TaskTokenType } from '../../../credentials/task-claims.js';
import { joinScopes } from '../../../credentials/task-token.js';
import { TokenError } from '../../../credentials/token-error.js';
import { signTaskToken } from '../../../credentials/token-mint.js';
import { Config } from '../../config.js';
import { ApiError } from '../../http/api-error.js';
import { OAuthError } from '../../http/oauth-error.js';
import { type AuditRecord, auditParameters, insertAudit, toldScopes } from '../../postgres/audit-log.js';
import { Sql } from '../../postgres/sql.js';
import { Keyring } from '../keys/keyring.js';
import { type IssuedRow, insertTaskToken } from './sql/insert-task-token.js';
import { lockRunTokens } from './sql/lock-run-tokens.js';
import { StatusPlaces } from './status-places.js';

/** Of one run, until ten minutes after their end. One for each audience is enough; who asks for one per request would fill the table. */
const MOST_OF_A_RUN = 1_000;

/** What a token is to be; everything in it was authorized. */
export interface TokenWish {
  type: TaskTokenType;
  run: RunHolder;
  audience: string;
  scopes: readonly string[];
  /** How often the run had lost scopes when these were judged. */
  losses: number;
  /** The key that it is bound to. */
  jkt?: string | undefined;
  /** The token that it is made from: it ends with that, and with those before. */
  parent?: { exp: number; lineage: readonly string[] } | undefined;
}

interface IssuedToken {
  token: string;
  claims: TaskClaims;
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

  /** Throws OAuthError. */
  async issue(wish: TokenWish): Promise<IssuedToken> {
    try {
      const token = (await this.attempt(wish)) ?? (await this.afterLeak(wish));
      if (token) return token;
    } catch (error) {
      // any other is a mistake of ours
      const isAskers = error instanceof TokenError && (error.problem === 'scope' || error.problem === 'too-long');
      throw isAskers ? new OAuthError('invalid_scope', error.message, { cause: error }) : error;
    }
    throw new ApiError('ServiceUnavailable', 'The key that signs has just been replaced; try again soon');
  }

  /** The key was replaced, and this process has not heard of it yet. */
  private async afterLeak(wish: TokenWish): Promise<IssuedToken | undefined> {
    await this.keyring.refresh();
    return this.attempt(wish);
  }

  /** One transaction: a token that cannot be signed is not recorded. Undefined: the key leaked. */
  private attempt(wish: TokenWish): Promise<IssuedToken | undefined> {
    const { type, run, parent } = wish;
    const signer = this.keyring.signer(ALG_OF[type]);
    const jti = slugid();
    return this.sql.transaction(async (runner) => {
      if (parent) await runner.query(lockRunTokens, [subjectOf(run.taskId, run.runId), false]);
      const [row] = await runner.query(insertTaskToken, this.parameters(wish, jti, signer.kid));
      if (row?.refusal === 'key') return undefined;
      const made = issued(row, wish);
      const claims = claimsOf(wish, jti, this.config.issuerUrl, { ...made, idx: this.places.of(made.idx) });
      await runner.query(insertAudit, auditParameters([issuance(wish, claims)]));
      return { token: await signTaskToken(claims, type, signer), claims };
    });
  }

  private parameters({ run, parent, losses }: TokenWish, jti: string, kid: string): unknown[] {
    const { credentialsGrace, tokenMaxLife } = this.config;
    const { taskId, runId, workerGroup, workerId } = run;
    const life = [kid, credentialsGrace, tokenMaxLife, parent?.exp ?? null, parent?.lineage ?? []];
    return [jti, taskId, runId, workerGroup, workerId, ...life, MOST_OF_A_RUN, losses];
  }
}

/** Throws OAuthError for a run that is over, and for one that may have no more. */
function issued(row: IssuedRow | undefined, { run, parent }: TokenWish): IssuedRow & { idx: number } {
  if (row && row.idx !== null) return { ...row, idx: row.idx };
  // RFC 8693, 2.2.2: a subject_token that is not good, or may not have more, makes the request invalid
  const options = { code: 'InputError' } as const;
  throw new OAuthError(parent ? 'invalid_request' : 'invalid_grant', whyNone(row, run), options);
}

function whyNone(row: IssuedRow | undefined, { taskId, runId }: RunHolder): string {
  if (!row) return `Run ${runId} of task ${taskId} is over, and tokens of it with it`;
  if (row.refusal === 'end') return 'The lease, or the token that this one is made from, is about to end; reclaim first';
  if (row.refusal === 'parent') return 'The token that this one is made from was revoked, or has expired';
  return `The run was given ${MOST_OF_A_RUN} tokens, each of which counts until ten minutes after its end; use one for longer`;
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
