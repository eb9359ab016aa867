import { Injectable } from '@nestjs/common';
import { CredentialError } from '../../../credentials/credential-error.js';
import type { Proof } from '../../../credentials/dpop.js';
import { isWorkerIdentity, type RunHolder, runRole, runStanding, whyRunIsOver } from '../../../credentials/run-grant.js';
import type { TaskTokenType } from '../../../credentials/task-claims.js';
import { splitScopes } from '../../../credentials/task-token.js';
import { unheldScopes } from '../../../scopes/scope-set.js';
import { Config } from '../../config.js';
import type { Signer } from '../../http/authentication-error.js';
import { type ApiRequest, admit, assertSignedForm, signedRequest } from '../../http/caller.guard.js';
import { Caller } from '../../http/caller.js';
import { OAuthError } from '../../http/oauth-error.js';
import { AuthenticateService } from '../authenticate.service.js';
import { RunAuthority } from '../run-authority.js';
import { RunLooks } from '../run-looks.js';
import { TOKEN_EXCHANGE } from '../token-exchange.js';
import { hasToken, signerOf } from './authenticate-token.service.js';
import { IssueTokenService, type TokenWish } from './issue-token.service.js';
import { Proofs } from './proofs.js';
import { TaskTokens } from './task-tokens.js';
import type { ExchangeRequest, TokenResponse } from './tokens.dto.js';

const [ACCESS_TOKEN, JWT, ID_TOKEN] = ['access_token', 'jwt', 'id_token'].map((name) => `urn:ietf:params:oauth:token-type:${name}`) as [
  string,
  string,
  string,
];

/** A token made from a token, made from a token …: nobody needs more, and each of them is locked. */
const MOST_ANCESTORS = 8;

const SHOWN = 10;

/** Whom a token is asked for, and by what. */
interface Grantor {
  run: RunHolder;
  /** All that it may hand on, expanded. */
  scopes: readonly string[];
  /** How often the run had lost some by then. */
  losses: number;
  /** It came with a token, which is bound to this key, if to any. */
  token?: Required<TokenWish>['parent'] & { jkt: string | undefined };
}

/** Turns credentials of a run into a token for one audience (RFC 8693). It never may more than what it is made from, nor for longer. */
@Injectable()
export class ExchangeService {
  constructor(
    private readonly hawk: AuthenticateService,
    private readonly tokens: TaskTokens,
    private readonly authority: RunAuthority,
    private readonly looks: RunLooks,
    private readonly proofs: Proofs,
    private readonly issuer: IssueTokenService,
    private readonly config: Config,
  ) {}

  async exchange(form: ExchangeRequest, request: ApiRequest): Promise<TokenResponse> {
    const type = typeOf(form);
    assertNoRegistry(form.audience, this.config);
    const grantor = form.subject_token === undefined ? await this.byHeader(form, request) : await this.byToken(form, request);
    const scopes = scopesOf(form, type, grantor);
    const audienceScope = assertAudience(form.audience, grantor);
    const proof = await this.proofOf(request, grantor);
    const { run, losses, token: parent } = grantor;
    const { token, claims } = await this.issuer.issue({ type, run, audience: form.audience, scopes, losses, jkt: proof?.jkt, parent });
    request.caller?.use([...scopes, ...audienceScope]);
    const usable = proof ? 'DPoP' : 'Bearer';
    return {
      access_token: token,
      issued_token_type: type === 'at+jwt' ? ACCESS_TOKEN : (form.requested_token_type ?? JWT),
      token_type: type === 'at+jwt' ? usable : 'N_A',
      expires_in: claims.exp - claims.iat,
      ...(claims.scope === undefined ? {} : { scope: claims.scope }),
    };
  }

  /** By the run's own credentials. */
  private async byHeader({ subject_token_type }: ExchangeRequest, request: ApiRequest): Promise<Grantor> {
    if (subject_token_type !== undefined)
      throw new OAuthError('invalid_request', 'There is a subject_token_type, but no subject_token; send both, or neither');
    const signed = signedRequest(request);
    if (hasToken(signed)) throw new OAuthError('invalid_client', 'Send the token as subject_token in the form, not in the header');
    const { caller, hash } = await this.hawk.authenticate(signed);
    assertSignedForm(request, { caller, hash });
    admit(request, caller);
    const { run, clientId, scopes } = caller;
    if (clientId === undefined)
      throw new OAuthError('invalid_client', "Sign the request with the run's credentials, or send a token of it as subject_token");
    if (!run) throw new OAuthError('unauthorized_client', `Only runs are given task tokens, and ${clientId} is none`);
    return { run, scopes, losses: run.losses ?? 0 };
  }

  /** By a token of the run that is for us. */
  private async byToken({ subject_token = '', subject_token_type }: ExchangeRequest, request: ApiRequest): Promise<Grantor> {
    if (request.headers.authorization !== undefined)
      throw new OAuthError('invalid_request', 'There are two credentials, the Authorization header and subject_token; send one of them');
    if (subject_token_type !== ACCESS_TOKEN && subject_token_type !== JWT)
      throw new OAuthError('invalid_request', `subject_token_type must be ${ACCESS_TOKEN} or ${JWT}`);
    let signer: Signer | undefined;
    try {
      const verified = await this.tokens.verifyOurs(subject_token);
      signer = signerOf(verified.claims);
      const looker = { taskId: verified.claims.task, runId: verified.claims.run };
      const { claims, holder, run, ancestors } = await this.looks.take(looker, () => this.tokens.find(verified));
      if (runStanding(run) !== 'everything') throw new CredentialError(whyRunIsOver(holder, run));
      const scopes = this.authority.expand(holder, this.tokens.granted({ claims, holder, run, ancestors }));
      const caller = { ...holder, creator: run.creator, losses: run.losses, byToken: claims.jti };
      admit(request, new Caller(claims.client_id, scopes, new Date(claims.exp * 1000), caller));
      return {
        run: holder,
        scopes,
        losses: run.losses,
        token: { exp: claims.exp, lineage: [...ancestors, claims.jti], jkt: claims.cnf?.jkt },
      };
    } catch (error) {
      if (error instanceof CredentialError)
        throw new OAuthError('invalid_request', `subject_token: ${error.message}`, { cause: error, code: 'InputError', signer });
      throw error;
    }
  }

  /** Whose key the token is to be bound to. What is made from a bound token is bound to the same key. */
  private async proofOf(request: ApiRequest, { token }: Grantor): Promise<Proof | undefined> {
    if (request.headers.dpop === undefined && token?.jkt === undefined) return undefined;
    const proof = await this.proofs.verify(signedRequest(request));
    if (token?.jkt !== undefined && token.jkt !== proof.jkt)
      throw new OAuthError('invalid_dpop_proof', 'subject_token is bound to another key than that of the DPoP proof');
    await this.proofs.spend(proof);
    return proof;
  }
}

/** What is asked for. Throws OAuthError for what this exchange knows nothing of. */
function typeOf({
  grant_type,
  requested_token_type = ACCESS_TOKEN,
  resource,
  actor_token,
  actor_token_type,
}: ExchangeRequest): TaskTokenType {
  if (grant_type !== TOKEN_EXCHANGE) throw new OAuthError('unsupported_grant_type', `grant_type must be ${TOKEN_EXCHANGE}`);
  if (resource !== undefined) throw new OAuthError('invalid_target', 'resource is not taken; name whom the token is for in audience');
  if (actor_token !== undefined || actor_token_type !== undefined)
    throw new OAuthError('invalid_request', 'actor_token is not taken: nobody acts for a run but the run');
  if (requested_token_type === ACCESS_TOKEN) return 'at+jwt';
  if (requested_token_type === JWT || requested_token_type === ID_TOKEN) return 'JWT';
  throw new OAuthError('invalid_request', `requested_token_type must be ${ACCESS_TOKEN}, or for an identity ${JWT} or ${ID_TOKEN}`);
}

/** None but those that were asked for: a token for a stranger should hold as little as it can. */
function scopesOf({ scope }: ExchangeRequest, type: TaskTokenType, { scopes, run }: Grantor): string[] {
  const asked = [...new Set(askedScopes(scope))];
  if (type === 'JWT' && asked.length > 0)
    throw new OAuthError('invalid_scope', 'An identity has no scopes; ask for none, or for an access token');
  const identity = asked.find((one) => isWorkerIdentity(one, run));
  if (identity !== undefined) throw new OAuthError('invalid_scope', `No run may act as its worker: ${identity}`);
  const unheld = unheldScopes(scopes, asked);
  if (unheld.length === 0) return asked;
  throw new OAuthError(
    'invalid_scope',
    `What asks does not hold these scopes: ${unheld.slice(0, SHOWN).join(' ')}${unheld.length > SHOWN ? ' …' : ''}`,
  );
}

/** A token of ours whose audience registries have would be one to them that may do nothing; but it is none, and nobody shall have to know that. */
function assertNoRegistry(audience: string, { registryService }: Config): void {
  if (audience !== registryService) return;
  throw new OAuthError('invalid_target', `${audience} is the service of our registries; ask for their tokens at /registry/token`);
}

function askedScopes(scope: string | undefined): string[] {
  try {
    return splitScopes(scope);
  } catch (error) {
    if (error instanceof CredentialError) throw new OAuthError('invalid_scope', error.message, { cause: error });
    throw error;
  }
}

/**
 * Who is the run, with all it may do, may turn to anybody. What holds less of it (a token, a proxy that restricts itself) would have
 * more than that with an audience that trusts the run's name alone, so it needs a scope. Answers the one that it took, if any.
 */
function assertAudience(audience: string, { scopes, run, token }: Grantor): string[] {
  if (token && token.lineage.length > MOST_ANCESTORS)
    throw new OAuthError('invalid_request', `A token is made from at most ${MOST_ANCESTORS} others`);
  if (unheldScopes(scopes, [runRole(run)]).length === 0) return [];
  const scope = `auth:exchange-token:${audience}`;
  if (unheldScopes(scopes, [scope]).length > 0)
    throw new OAuthError(
      'invalid_target',
      `What asks holds only a part of what the run may do, or the run is over; for a part it takes the scope ${scope}`,
    );
  return [scope];
}
