import { Injectable } from '@nestjs/common';
import { Authenticator } from '../../http/authenticator.js';
import { authorizationOf } from '../../http/authorization-header.js';
import { type ApiRequest, admit, assertSignedForm, signedRequest } from '../../http/caller.guard.js';
import type { Caller } from '../../http/caller.js';
import { parseForm } from '../../http/form.js';
import { OAuthError } from '../../http/oauth-error.js';
import { AuthenticateService } from '../authenticate.service.js';
import { hasToken } from './authenticate-token.service.js';

/** Who asks about tokens: as everywhere, or as resource servers are used to, by client id and access token (RFC 6749, 2.3.1). */
@Injectable()
export class OAuthCallers {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly clients: AuthenticateService,
  ) {}

  /** Throws ApiError AuthenticationFailed, also for who sends no credentials: RFC 7662, 2.1 wants nobody to try out tokens. */
  async authenticate(request: ApiRequest): Promise<Caller> {
    const basic = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(authorizationOf(request) ?? '')?.[1];
    const caller = basic === undefined ? await this.signed(request) : await this.clients.authenticateSecret(...secretOf(basic));
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

/** Both are encoded as in a form, so a colon can only be the one between them. */
function secretOf(basic: string): [clientId: string, accessToken: string] {
  const [, id = '', secret = ''] = /^([^:]*):(.*)$/s.exec(Buffer.from(basic, 'base64').toString('latin1')) ?? [];
  try {
    const { id: clientId = '', secret: accessToken = '' } = parseForm(`id=${id}&secret=${secret}`);
    return [clientId, accessToken];
  } catch (cause) {
    throw new OAuthError('invalid_client', 'The Authorization header is not that of a client id and its access token', { cause });
  }
}
