import { Injectable } from '@nestjs/common';
import { Authenticator } from '../../http/authenticator.js';
import { authorizationOf } from '../../http/authorization-header.js';
import { type ApiRequest, admit, assertSignedForm, signedRequest } from '../../http/caller.guard.js';
import type { Caller } from '../../http/caller.js';
import { OAuthError } from '../../http/oauth-error.js';
import { AuthenticateService } from '../authenticate.service.js';
import { hasToken } from './authenticate-token.service.js';
import { basicSecrets } from './basic-secrets.js';

/** Who asks about tokens: as everywhere, or as resource servers are used to, by client id and access token (RFC 6749, 2.3.1). */
@Injectable()
export class OAuthCallers {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly clients: AuthenticateService,
  ) {}

  /** Throws ApiError AuthenticationFailed, also for who sends no credentials: RFC 7662, 2.1 wants nobody to try out tokens. */
  async authenticate(request: ApiRequest): Promise<Caller> {
    const secrets = basicSecrets(authorizationOf(request));
    const caller = secrets ? await this.clients.authenticateSecret(secrets) : await this.signed(request);
    admit(request, caller);
    return caller;
  }

  private async signed(request: ApiRequest): Promise<Caller> {
    const signed = signedRequest(request);
    const { caller, anonymous, hash } = await this.authenticator.authenticate(signed);
    if (!hasToken(signed)) assertSignedForm(request, { caller, hash });
    if (anonymous)
      throw new OAuthError('invalid_client', 'Sign the request, or send a client id and its access token as `Authorization: Basic`');
    return caller;
  }
}
