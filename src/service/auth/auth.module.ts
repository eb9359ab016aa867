import { Global, Module } from '@nestjs/common';
import { Authenticator } from '../http/authenticator.js';
import { Authority } from '../http/authority.js';
import { AuthenticateService } from './authenticate.service.js';
import { AuthorityService } from './authority.service.js';
import { ClientsController } from './clients.controller.js';
import { ClientsService } from './clients.service.js';
import { ExplainController } from './explain/explain.controller.js';
import { ExplainService } from './explain/explain.service.js';
import { ScopeUses } from './explain/scope-uses.js';
import { KeysModule } from './keys/keys.module.js';
import { Registry } from './registry.js';
import { RequestAuthenticator } from './request-authenticator.js';
import { RolesController } from './roles.controller.js';
import { RolesService } from './roles.service.js';
import { RunAuthority } from './run-authority.js';
import { RunLooks } from './run-looks.js';
import { ScopesController } from './scopes.controller.js';
import { AuthenticateTokenService } from './tokens/authenticate-token.service.js';
import { ExchangeService } from './tokens/exchange.service.js';
import { ForgetTokensService } from './tokens/forget-tokens.service.js';
import { IntrospectService } from './tokens/introspect.service.js';
import { IssueTokenService } from './tokens/issue-token.service.js';
import { OAuthCallers } from './tokens/oauth-callers.js';
import { Proofs } from './tokens/proofs.js';
import { RevokeService } from './tokens/revoke.service.js';
import { StatusListsController } from './tokens/status-lists.controller.js';
import { StatusLists } from './tokens/status-lists.js';
import { StatusNumbers } from './tokens/status-numbers.js';
import { StatusPlaces } from './tokens/status-places.js';
import { TaskTokens } from './tokens/task-tokens.js';
import { TokensController } from './tokens/tokens.controller.js';

const TOKENS = [
  ...[TaskTokens, Proofs, AuthenticateTokenService, IssueTokenService, ExchangeService],
  ...[IntrospectService, RevokeService, OAuthCallers, ForgetTokensService, StatusLists, StatusNumbers, StatusPlaces],
];

/** Clients, roles, and who makes a request. Global, because the guard of every operation asks its authenticator. */
@Global()
@Module({
  imports: [KeysModule],
  controllers: [ClientsController, RolesController, ScopesController, ExplainController, TokensController, StatusListsController],
  providers: [
    Registry,
    ClientsService,
    RolesService,
    RunAuthority,
    RunLooks,
    AuthenticateService,
    RequestAuthenticator,
    ScopeUses,
    ExplainService,
    ...TOKENS,
    { provide: Authenticator, useExisting: RequestAuthenticator },
    AuthorityService,
    { provide: Authority, useExisting: AuthorityService },
  ],
  exports: [Authenticator, Authority, AuthenticateService, KeysModule],
})
export class AuthModule {}
