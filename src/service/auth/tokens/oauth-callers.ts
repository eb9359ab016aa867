import { Injectable } from '@nestjs/common';
import { Authenticator } from '../../http/authenticator.js';
import { authorizationOf } from '../../http/authorization-header.js';
import { type ApiRequest, admit, assertSignedForm, signedRequest } from '../../http/caller.guard.js';
import type { Caller } from '../../http/caller.js';
import { parseForm } from '../../http/form.js';
import { OAuthError } from '../../http/oauth-error.js';
import { AuthenticateService, type ClientSecret } from '../authenticate.service.js';
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
    const caller = basic === undefined ? await this.signed(request) : await this.clients.authenticateSecret(secretsOf(basic));
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

/**
 * What the header may mean. Both parts are encoded as in a form (RFC 6749, 2.3.1), so a colon can only be the one between them; but many clients
 * send them as they are. No access token has a colon, so then the last one is it.
 */
function secretsOf(basic: string): ClientSecret[] {
  const text = Buffer.from(basic, 'base64').toString('latin1');
  const asIs = splitAt(text, text.lastIndexOf(':'));
  const { clientId, accessToken } = splitAt(text, text.indexOf(':'));
  try {
    const form = parseForm(`id=${clientId}&secret=${accessToken}`);
    return [{ clientId: form.id ?? '', accessToken: form.secret ?? '' }, asIs];
  } catch {
    return [asIs]; // not encoded so
  }
}

function splitAt(text: string, colon: number): ClientSecret {
  return { clientId: text.slice(0, Math.max(colon, 0)), accessToken: text.slice(colon + 1) };
}
