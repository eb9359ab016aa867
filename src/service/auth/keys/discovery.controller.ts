import { applyDecorators, Controller, Get, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Config } from '../../config.js';
import { always } from '../../http/answer-headers.js';
import { ApiError } from '../../http/api-error.js';
import type { ApiRequest } from '../../http/caller.guard.js';
import { Operation } from '../../http/operation.decorator.js';
import { RequireScopes } from '../../http/require-scopes.decorator.js';
import { JwksResponse, MetadataResponse } from './discovery.dto.js';
import { metadata } from './discovery.js';
import { JWKS_MAX_AGE, jwksMaxAge } from './key-life.js';
import { Keyring } from './keyring.js';
import { PublicDocument } from './public-document.js';

const HEADERS = {
  'cache-control': always(`\`public, max-age=${JWKS_MAX_AGE}\`; less of keys while the database is away`),
  etag: always('Of this content'),
  'access-control-allow-origin': always('`*`'),
};

/** What anybody may read, and keep for a while. */
function PublicRead(path: string, summary: string, response: new () => object): MethodDecorator {
  return applyDecorators(
    Get(path),
    RequireScopes(null),
    Operation({ summary, unsigned: true, response, headers: { 200: HEADERS } }),
    ApiResponse({ status: 304, description: 'It is what the caller has', headers: HEADERS }),
    ApiHeader({ name: 'if-none-match', required: false, description: 'The `etag` of what the caller has', schema: { type: 'string' } }),
  );
}

/** Where verifiers of tokens begin: they know the issuer, and nothing else. No database is asked, but of keys it must have been heard of. */
@ApiTags('discovery')
@Controller('.well-known')
export class DiscoveryController {
  private readonly metadata: PublicDocument;
  private jwks = new PublicDocument({ keys: [] });

  constructor(
    private readonly keyring: Keyring,
    private readonly config: Config,
  ) {
    this.metadata = new PublicDocument(metadata(config.issuerUrl));
  }

  @PublicRead('jwks.json', 'The public keys of tokens', JwksResponse)
  publicKeys(@Req() request: ApiRequest, @Res() reply: FastifyReply): void {
    const maxAge = jwksMaxAge(this.keyring.age, this.config);
    if (maxAge === null)
      throw new ApiError(
        'ServiceUnavailable',
        'The database has not been heard of for so long that the keys may be others; try again soon',
      );
    const keys = this.keyring.jwks();
    if (this.jwks.content !== keys) this.jwks = new PublicDocument(keys);
    this.jwks.send(request, reply, maxAge);
  }

  @PublicRead('openid-configuration', 'What verifiers need to know of this issuer (OpenID Connect Discovery)', MetadataResponse)
  openidConfiguration(@Req() request: ApiRequest, @Res() reply: FastifyReply): void {
    this.metadata.send(request, reply, JWKS_MAX_AGE);
  }

  @PublicRead('oauth-authorization-server', 'The same, for clients of OAuth (RFC 8414)', MetadataResponse)
  oauthAuthorizationServer(@Req() request: ApiRequest, @Res() reply: FastifyReply): void {
    this.metadata.send(request, reply, JWKS_MAX_AGE);
  }
}
