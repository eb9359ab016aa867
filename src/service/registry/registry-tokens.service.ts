import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { SignJWT } from 'jose';
import { subjectOf } from '../../credentials/task-claims.js';
import { Keyring } from '../auth/keys/keyring.js';
import { Config } from '../config.js';
import { AuthenticationError } from '../http/authentication-error.js';
import type { Caller } from '../http/caller.js';
import { Sql } from '../postgres/sql.js';
import { type Access, grantedAccess, inScopes } from './access.js';
import { RefreshTokens } from './refresh-tokens.js';
import { RegistryAuthority } from './registry-authority.js';
import type { RegistryCaller } from './registry-callers.js';
import type { RegistryTokenResponse } from './registry-token.dto.js';
import { dateClientToken } from './sql/date-client-token.js';
import { dateRunToken } from './sql/date-run-token.js';
import type { TokenDates } from './sql/token-dates-columns.js';

/** Seconds. Registries ask nobody whether a token is still good, so it ends soon; clients ask for another one by themselves. */
const LIFE = 300;

/** The one place where registry tokens are made. */
@Injectable()
export class RegistryTokensService {
  constructor(
    private readonly keyring: Keyring,
    private readonly authority: RegistryAuthority,
    private readonly refreshTokens: RefreshTokens,
    private readonly sql: Sql,
    private readonly config: Config,
  ) {}

  /**
   * Of what was asked for, what the caller may do; a token that may do nothing is one, too: clients log in by it. `offline`: a refresh token is
   * wanted. Throws RegistryScopeError, and AuthenticationFailed for a run that is over.
   */
  async issue({ caller, client }: RegistryCaller, asked: readonly Access[], offline: boolean): Promise<RegistryTokenResponse> {
    const access = grantedAccess(asked, (scope) => caller.holds(scope));
    const signer = await this.keyring.freshSigner();
    const x5c = [await this.authority.certificateOf(signer)];
    const jti = randomUUID();
    const { issued, expires } = await this.dated(caller, jti, access);
    const claims = { ...this.parties(caller), iat: issued, nbf: issued, exp: expires, jti, access };
    const token = await new SignJWT(claims).setProtectedHeader({ alg: signer.alg, typ: 'JWT', kid: signer.kid, x5c }).sign(signer.key);
    return {
      ...{ token, access_token: token, expires_in: expires - issued, issued_at: new Date(issued * 1000).toISOString() },
      ...(access.length > 0 ? { scope: inScopes(access) } : {}),
      ...(offline && client ? { refresh_token: this.refreshTokens.of(client) } : {}),
    };
  }

  private parties({ run, clientId = '' }: Caller) {
    const sub = run ? subjectOf(run.taskId, run.runId) : clientId;
    return { iss: this.config.issuerUrl, sub, aud: this.config.registryService };
  }

  /** By the database's clock. Never longer than what the caller came with. */
  private async dated(caller: Caller, jti: string, access: readonly Access[]): Promise<TokenDates> {
    const { run, clientId, expires } = caller;
    const token = [LIFE, expires.getTime() / 1000, jti, this.config.registryService, JSON.stringify(access)];
    const [dates] = run
      ? await this.sql.query(dateRunToken, [...token, run.taskId, run.runId, run.workerGroup, run.workerId])
      : await this.sql.query(dateClientToken, [...token, clientId ?? null]);
    if (dates && dates.expires > dates.issued) return dates;
    const who = run ? `Run ${run.runId} of task ${run.taskId}` : 'What you came with';
    throw new AuthenticationError(`${who} is over, or about to end, and so are its tokens`, caller.signer);
  }
}
