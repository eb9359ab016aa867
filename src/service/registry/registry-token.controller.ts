import { Controller, Get, Post, Req, Res } from '@nestjs/common';
import { ApiSecurity, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Config } from '../config.js';
import { always } from '../http/answer-headers.js';
import { ApiError } from '../http/api-error.js';
import type { ApiRequest } from '../http/caller.guard.js';
import { Form } from '../http/form.js';
import { OAuthError } from '../http/oauth-error.js';
import { Operation } from '../http/operation.decorator.js';
import { UrlQuery } from '../http/query.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { askedAccess, RegistryScopeError } from './access.js';
import { RegistryAuthority } from './registry-authority.js';
import { type RegistryCaller, RegistryCallers } from './registry-callers.js';
import { RegistryTokenRequest, RegistryTokenResponse } from './registry-token.dto.js';
import { RegistryTokensService } from './registry-tokens.service.js';

const HEADERS = { 200: { 'cache-control': always('`no-store`') } };
const WORD = /^[\x20-\x7e]{1,300}$/;

/** What is not looked at is not refused either: docker sends the user name, which may be any one, or a client id of 1024 characters. */
const ANYTHING = /^[ -\uffff]*$/; // no control characters

/** How a mistake is told: each way of asking has its own words. */
type Refuse = (message: string) => ApiError;

/** What a registry sends its clients to. These operations authenticate by themselves: not only signatures count. */
@ApiTags('registry')
@Controller('registry')
export class RegistryTokenController {
  constructor(
    private readonly tokens: RegistryTokensService,
    private readonly callers: RegistryCallers,
    private readonly authority: RegistryAuthority,
    private readonly config: Config,
  ) {}

  @Get('token')
  @RequireScopes(null)
  @ApiSecurity('hawk')
  @ApiSecurity('token')
  @ApiSecurity('basic')
  @ApiSecurity({}) // what everybody may do
  @Operation({
    summary: 'A token for a registry',
    description:
      'What a registry with token authentication sends its clients to. It holds what was asked for, as far as the caller holds `registry:pull:<repository>`, ' +
      '`registry:push:<repository>` (which is a pull, too), `registry:delete:<repository>` or `registry:catalog`; that may be nothing. See docs/registries.md.',
    unsigned: true,
    basic: true,
    response: RegistryTokenResponse,
    errors: ['AuthenticationFailed'],
    headers: HEADERS,
  })
  getRegistryToken(
    @Req() request: ApiRequest,
    @UrlQuery('service', { pattern: WORD, description: 'As registries name it in their challenges: `REGISTRY_SERVICE`; absent: that' })
    service: string | undefined,
    @UrlQuery('scope', {
      type: 'repeated',
      pattern: /^[\x20-\x7e]{0,8192}$/,
      description: 'Registry scopes: `repository:<name>:pull,push`',
    })
    scopes: string[],
    @UrlQuery('account', { pattern: ANYTHING, description: 'Not looked at' }) _account: string | undefined,
    @UrlQuery('client_id', { pattern: ANYTHING, description: 'Which program asks; not looked at' }) _clientId: string | undefined,
    @UrlQuery('offline_token', { pattern: /^(true|false|1|0)$/, description: '`true`: a refresh token is wanted, too' })
    offline: string | undefined,
  ): Promise<RegistryTokenResponse> {
    const refuse = (message: string) => new ApiError('InvalidRequestArguments', message);
    const wish = { service, scopes, offline: offline === 'true' || offline === '1' };
    return this.answer(wish, refuse, () => this.callers.ofQuery(request));
  }

  @Post('token')
  @RequireScopes(null)
  @ApiSecurity('hawk')
  @ApiSecurity('token')
  @ApiSecurity('basic')
  @ApiSecurity({}) // credentials may be in the form
  @Operation({
    summary: 'The same, by a form (OAuth 2)',
    description:
      'Credentials are in the form, or in the header; Hawk signs the hash of the form, too. With `grant_type=refresh_token` by a token that was given with ' +
      '`access_type=offline`, or by GET with `offline_token=true`.',
    unsigned: true,
    form: true,
    response: RegistryTokenResponse,
    errors: ['AuthenticationFailed', 'InputError'],
    headers: HEADERS,
  })
  createRegistryToken(@Req() request: ApiRequest, @Form() form: RegistryTokenRequest): Promise<RegistryTokenResponse> {
    const refuse = (message: string) => new OAuthError('invalid_request', message);
    const wish = { service: form.service, scopes: [form.scope ?? ''], offline: form.access_type === 'offline' };
    return this.answer(wish, refuse, () => this.callers.ofForm(form, request));
  }

  @Get('certificate')
  @RequireScopes(null)
  @Operation({
    summary: 'What registries are to trust',
    description: 'The certificate (PEM) of the authority that vouches for the keys of registry tokens: `rootcertbundle` of a registry.',
    unsigned: true,
    produces: 'application/pem-certificate-chain',
  })
  async registryCertificate(@Res() reply: FastifyReply): Promise<void> {
    const certificate = await this.authority.certificate();
    reply.headers({ 'cache-control': 'public, max-age=300', 'x-content-type-options': 'nosniff' });
    reply.type('application/pem-certificate-chain').send(certificate);
  }

  /** What is asked for is read first: that costs nothing, and a mistake is told to whoever makes it. */
  private async answer(
    { service = this.config.registryService, scopes, offline }: { service: string | undefined; scopes: string[]; offline: boolean },
    refuse: Refuse,
    callerOf: () => Promise<RegistryCaller>,
  ): Promise<RegistryTokenResponse> {
    if (service !== this.config.registryService)
      throw refuse(`service: tokens are for ${this.config.registryService} here (REGISTRY_SERVICE); let the registry ask for that`);
    try {
      const asked = askedAccess(scopes);
      return await this.tokens.issue(await callerOf(), asked, offline);
    } catch (error) {
      if (error instanceof RegistryScopeError) throw refuse(error.message);
      throw error;
    }
  }
}
