import { Injectable } from '@nestjs/common';
import { type Authenticated, Authenticator, type SignedRequest } from '../http/authenticator.js';
import { AuthenticateService } from './authenticate.service.js';
import { AuthenticateTokenService, hasToken } from './tokens/authenticate-token.service.js';

/** Who makes a request to us: by its signature, or by a token. */
@Injectable()
export class RequestAuthenticator extends Authenticator {
  constructor(
    private readonly hawk: AuthenticateService,
    private readonly tokens: AuthenticateTokenService,
  ) {
    super();
  }

  authenticate(request: SignedRequest, ownRun?: { taskId: string; runId: string }): Promise<Authenticated> {
    return (hasToken(request) ? this.tokens : this.hawk).authenticate(request, ownRun);
  }

  /** A token is not believed before its signature was verified, for which nobody waits here: its bearer counts as a stranger. */
  accountOf(request: SignedRequest): string {
    return this.hawk.accountOf(request);
  }
}
