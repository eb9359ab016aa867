import { Injectable } from '@nestjs/common';
import { AuthenticateService, bySecret, type ClientSecret } from '../auth/authenticate.service.js';
import type { Client } from '../auth/registry.js';
import { hasToken } from '../auth/tokens/authenticate-token.service.js';
import { basicSecrets } from '../auth/tokens/basic-secrets.js';
import { ApiError } from '../http/api-error.js';
import { Authenticator, type SignedRequest } from '../http/authenticator.js';
import { authorizationOf } from '../http/authorization-header.js';
import { type ApiRequest, admit, assertPayload, assertSignedForm, signedRequest } from '../http/caller.guard.js';
import type { Caller } from '../http/caller.js';
import { OAuthError } from '../http/oauth-error.js';
import { RefreshTokens } from './refresh-tokens.js';
import type { RegistryTokenRequest } from './registry-token.dto.js';

/** Who asks for a token of registries. */
export interface RegistryCaller {
  caller: Caller;
  /** Came with the permanent credentials of this client, or with a refresh token of it: so it may have one. */
  client?: Client;
}

/**
 * Signatures and tokens as everywhere, and what clients of registries are used to: a name and a password. These are a client id and its access
 * token; or any name, and a task token for this service, which is how a run logs in without a proxy. Throws AuthenticationFailed.
 */
@Injectable()
export class RegistryCallers {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly clients: AuthenticateService,
    private readonly refreshTokens: RefreshTokens,
  ) {}

  /** Who sends no credentials is what everybody is. */
  async ofQuery(request: ApiRequest): Promise<RegistryCaller> {
    const secrets = basicSecrets(authorizationOf(request));
    return admitted(request, secrets ? await this.bySecrets(request, secrets) : await this.bySignature(request, assertPayload));
  }

  /** Credentials are in the form, or in the header; not in both. */
  async ofForm(form: RegistryTokenRequest, request: ApiRequest): Promise<RegistryCaller> {
    const { grant_type, username, password, refresh_token } = form;
    const header = authorizationOf(request);
    if (grant_type !== 'password' && grant_type !== 'refresh_token')
      throw new OAuthError('unsupported_grant_type', 'grant_type must be password or refresh_token');
    if (header !== undefined && [username, password, refresh_token].some((one) => one !== undefined))
      throw new OAuthError('invalid_request', 'There are credentials in the form and an Authorization header; send one of them');
    if (grant_type === 'refresh_token') return admitted(request, await this.byRefreshToken(refresh_token));
    if (username !== undefined && password !== undefined)
      return admitted(request, await this.bySecrets(request, [{ clientId: username, accessToken: password }]));
    const secrets = basicSecrets(header);
    if (secrets) return admitted(request, await this.bySecrets(request, secrets));
    if (header !== undefined) return admitted(request, await this.bySignature(request, assertSignedForm));
    throw new OAuthError('invalid_request', 'username or password is missing; send both, or ask without credentials by GET');
  }

  private async bySignature(request: ApiRequest, assertBody: typeof assertSignedForm): Promise<RegistryCaller> {
    const signed = signedRequest(request);
    const authenticated = await this.authenticator.authenticate(signed);
    if (!hasToken(signed)) assertBody(request, authenticated);
    return { caller: authenticated.caller };
  }

  /** No access token has a dot, and every task token has two. */
  private async bySecrets(request: ApiRequest, secrets: readonly ClientSecret[]): Promise<RegistryCaller> {
    const token = secrets.at(-1)?.accessToken ?? '';
    if (token.includes('.')) return this.byToken({ ...signedRequest(request), authorization: `Bearer ${token}` });
    const found = await this.clients.authenticateClient(secrets.map(bySecret));
    if (found) return found;
    throw new ApiError('AuthenticationFailed', 'No client has this id and this access token, or it is disabled or has expired');
  }

  private async byToken(signed: SignedRequest): Promise<RegistryCaller> {
    const { caller } = await this.authenticator.authenticate(signed);
    return { caller };
  }

  private async byRefreshToken(token: string | undefined): Promise<RegistryCaller> {
    if (token === undefined) throw new OAuthError('invalid_request', 'refresh_token is missing; send it, or another grant_type');
    const proof = this.refreshTokens.proofOf(token);
    const found = proof && (await this.clients.authenticateClient([proof]));
    if (found) return found;
    const message = 'The refresh token is of no client that goes on with the same access token, or for another service; log in again';
    throw new OAuthError('invalid_grant', message, { code: 'AuthenticationFailed' });
  }
}

/** Takes its place among the requests under way. */
function admitted(request: ApiRequest, who: RegistryCaller): RegistryCaller {
  admit(request, who.caller);
  return who;
}
