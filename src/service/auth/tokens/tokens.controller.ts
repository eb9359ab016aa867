import { Controller, Post, Req } from '@nestjs/common';
import { ApiHeader, ApiSecurity, ApiTags } from '@nestjs/swagger';
import { always } from '../../http/answer-headers.js';
import type { ApiRequest } from '../../http/caller.guard.js';
import { Form } from '../../http/form.js';
import { Operation } from '../../http/operation.decorator.js';
import { RequireScopes } from '../../http/require-scopes.decorator.js';
import { ExchangeService } from './exchange.service.js';
import { IntrospectService } from './introspect.service.js';
import { OAuthCallers } from './oauth-callers.js';
import { RevokeService } from './revoke.service.js';
import { ExchangeRequest, IntrospectionResponse, TokenRequest, TokenResponse } from './tokens.dto.js';

const HEADERS = { 200: { 'cache-control': always('`no-store`') } };

/** Credentials of runs as the rest of the world knows them. These operations authenticate by themselves: not only signatures count. */
@ApiTags('oauth')
@Controller('oauth')
export class TokensController {
  constructor(
    private readonly exchanges: ExchangeService,
    private readonly introspection: IntrospectService,
    private readonly revocation: RevokeService,
    private readonly callers: OAuthCallers,
  ) {}

  @Post('token')
  @RequireScopes(null)
  @ApiSecurity('hawk')
  @ApiSecurity({}) // the form may hold a token instead
  @ApiHeader({
    name: 'dpop',
    required: false,
    description: 'A proof of the key that the token shall be bound to (RFC 9449)',
    schema: { type: 'string' },
  })
  @Operation({
    summary: "Turn a run's credentials into a token for one audience (RFC 8693)",
    description:
      "Signed with the run's credentials and the hash of the form, or with a token of it as `subject_token`. The token ends with the run; see docs/tokens.md for who can see that, and when. " +
      'What holds less than the run (without `assume:task-run:<taskId>/<runId>`) needs `auth:exchange-token:<audience>`.',
    unsigned: true,
    form: true,
    response: TokenResponse,
    errors: ['AuthenticationFailed', 'InputError'],
    headers: HEADERS,
  })
  exchangeToken(@Req() request: ApiRequest, @Form() form: ExchangeRequest): Promise<TokenResponse> {
    return this.exchanges.exchange(form, request);
  }

  @Post('introspect')
  @RequireScopes(null)
  @ApiSecurity('hawk')
  @ApiSecurity('token')
  @ApiSecurity('basic')
  @Operation({
    summary: 'What is this token worth now? (RFC 7662)',
    description:
      'For whoever holds `auth:introspect:<audience>` of its audience, for its run, and for who comes with a token that it was made from; to others ' +
      'no token is active. Also takes a client id and its access token as `Authorization: Basic`.',
    unsigned: true,
    form: true,
    response: IntrospectionResponse,
    errors: ['AuthenticationFailed'],
    headers: HEADERS,
  })
  async introspectToken(@Req() request: ApiRequest, @Form() { token }: TokenRequest): Promise<IntrospectionResponse> {
    return this.introspection.introspect(token, await this.callers.authenticate(request));
  }

  @Post('revoke')
  @RequireScopes(null)
  @ApiSecurity('hawk')
  @ApiSecurity('token')
  @ApiSecurity('basic')
  @Operation({
    summary: 'Take a token back, and what was made from it (RFC 7009)',
    description:
      'For its run, for who comes with a token that it was made from, and for whoever holds `auth:revoke-token`. 200 also for what is no token. Authenticated as introspectToken.',
    unsigned: true,
    form: true,
    errors: ['AuthenticationFailed', 'InputError'],
    headers: HEADERS,
  })
  async revokeToken(@Req() request: ApiRequest, @Form() { token }: TokenRequest): Promise<void> {
    await this.revocation.revoke(token, await this.callers.authenticate(request));
  }
}
