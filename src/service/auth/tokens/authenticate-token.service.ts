import { Injectable } from '@nestjs/common';
import { bewitFromUrl } from '../../../credentials/bewit.js';
import { CredentialError } from '../../../credentials/credential-error.js';
import { QUEUE_ISSUER } from '../../../credentials/run-grant.js';
import type { TaskClaims } from '../../../credentials/task-claims.js';
import type { VerifiedToken } from '../../../credentials/task-token.js';
import { TokenError } from '../../../credentials/token-error.js';
import type { Signer } from '../../http/authentication-error.js';
import type { Authenticated, SignedRequest } from '../../http/authenticator.js';
import { Caller } from '../../http/caller.js';
import { OAuthError } from '../../http/oauth-error.js';
import { accountOf } from '../../http/quota.js';
import { ScopeUses } from '../explain/scope-uses.js';
import { ANONYMOUS } from '../registry.js';
import { RunAuthority } from '../run-authority.js';
import { RunLooks } from '../run-looks.js';
import { Proofs } from './proofs.js';
import { type HeldToken, TaskTokens } from './task-tokens.js';

type RunName = { taskId: string; runId: string };

/** Authenticates requests that come with a task token (RFC 6750, RFC 9449) instead of a signature. */
@Injectable()
export class AuthenticateTokenService {
  constructor(
    private readonly tokens: TaskTokens,
    private readonly authority: RunAuthority,
    private readonly looks: RunLooks,
    private readonly proofs: Proofs,
    private readonly uses: ScopeUses,
  ) {}

  /** Throws OAuthError. */
  async authenticate(request: SignedRequest, ownRun?: RunName): Promise<Authenticated> {
    let signer: Signer | undefined;
    try {
      const { scheme, token } = presented(request);
      const verified = await this.tokens.verifyOurs(token);
      signer = signerOf(verified.claims);
      return { caller: await this.caller(request, scheme, token, verified, ownRun), anonymous: false };
    } catch (error) {
      if (error instanceof CredentialError) throw new OAuthError('invalid_token', error.message, { cause: error, signer });
      throw error;
    }
  }

  /** The token first, then its key, then its run: a proof is spent only by who may use it. */
  private async caller(
    request: SignedRequest,
    scheme: string,
    token: string,
    verified: VerifiedToken,
    ownRun: RunName | undefined,
  ): Promise<Caller> {
    const { claims } = verified;
    if ((claims.cnf !== undefined) !== (scheme === 'dpop')) {
      const message = claims.cnf
        ? 'is bound to a key; send it as `Authorization: DPoP`, with a proof'
        : 'is bound to no key; send it as `Authorization: Bearer`';
      throw new TokenError('key-binding', `The token ${message}`);
    }
    const proof = claims.cnf ? await this.proofs.verify(request, token) : undefined;
    if (claims.cnf?.jkt !== proof?.jkt)
      throw new TokenError('key-binding', 'The token is bound to another key than that of the DPoP proof');
    const held = await this.looks.take({ taskId: claims.task, runId: claims.run }, () => this.tokens.find(verified));
    const scopes = this.scopesOf(held, ownRun);
    if (proof) await this.proofs.spend(proof, token);
    const run = { ...held.holder, creator: held.run.creator, losses: held.run.losses, byToken: claims.jti };
    const grounds = { scopes: [], temporary: true, authorizedScopes: this.tokens.granted(held), signedUrl: false };
    const uses = this.uses.of(this.authority.held(held.holder, held.run.taskScopes));
    return new Caller(claims.client_id, scopes, new Date(claims.exp * 1000), run, claims.client_id, grounds, uses);
  }

  private scopesOf(held: HeldToken, ownRun: RunName | undefined): readonly string[] {
    const { holder, run } = held;
    const scopes = this.authority.expand(holder, [...this.tokens.granted(held), ANONYMOUS]);
    const own = ownRun?.taskId === holder.taskId && Number(ownRun.runId) === holder.runId;
    return own ? scopes : this.authority.left(scopes, holder, run);
  }
}

/** Whose token it is, for the audit log: its signature was right, whatever else is not. */
export function signerOf({ client_id = '', task: taskId, run: runId }: TaskClaims): Signer {
  return { clientId: client_id, account: accountOf(QUEUE_ISSUER, true), run: { taskId, runId } };
}

/** Whether a request comes with a token. */
export function hasToken({ authorization }: SignedRequest): boolean {
  return /^(bearer|dpop)(\s|$)/i.test(authorization ?? '');
}

function presented({ authorization, resource }: SignedRequest): { scheme: string; token: string } {
  if (bewitFromUrl(resource))
    throw new TokenError('malformed', 'Cannot use two authentication schemes at once: the URL is signed, and there is a token');
  const [, scheme, token] = /^(bearer|dpop) +([\w.~+/-]+=*)$/i.exec(authorization ?? '') ?? [];
  if (!scheme || !token) throw new TokenError('malformed', 'The Authorization header must be the scheme, a space, and the token');
  return { scheme: scheme.toLowerCase(), token };
}
