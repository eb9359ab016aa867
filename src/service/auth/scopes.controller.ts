import { Controller, Get, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { AuthenticationError } from '../http/authentication-error.js';
import { Payload } from '../http/body.js';
import { CallerOf } from '../http/caller.decorator.js';
import { type ApiRequest, signedRequest } from '../http/caller.guard.js';
import type { Caller } from '../http/caller.js';
import { Operation } from '../http/operation.decorator.js';
import { Refusals } from '../http/refusals.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import {
  AuthenticateHawkRequest,
  AuthenticateHawkResponse,
  ScopeSet,
  ScopesResponse,
  TestAuthenticateRequest,
  TestAuthenticateResponse,
} from './auth.dto.js';
import { AuthenticateService } from './authenticate.service.js';
import { Registry } from './registry.js';
import { type SentBody, testerCaller } from './tester.js';

@ApiTags('auth: scopes and credentials')
@Controller('api/auth/v1')
export class ScopesController {
  constructor(
    private readonly registry: Registry,
    private readonly authentication: AuthenticateService,
    private readonly refusals: Refusals,
  ) {}

  @Get('scopes/current')
  @RequireScopes('auth:current-scopes')
  @Operation({ summary: 'What the caller may do', response: ScopesResponse })
  currentScopes(@CallerOf() caller: Caller): ScopesResponse {
    return { scopes: [...caller.scopes] };
  }

  @Post('scopes/expand')
  @RequireScopes('auth:expand-scopes')
  @Operation({
    summary: 'What a list of scopes amounts to, roles included',
    response: ScopesResponse,
    errors: ['InputValidationError', 'InputError'],
  })
  expandScopes(@Payload() { scopes }: ScopeSet): ScopesResponse {
    return { scopes: this.registry.expand(scopes) };
  }

  @Post('authenticate-hawk')
  @RequireScopes(null)
  @Operation({
    summary: 'Who signed this request, and what may they do?',
    description: 'For services that take our credentials. Always 200; `status` tells. Credentials of a run that has ended fail here too.',
    unsigned: true,
    response: AuthenticateHawkResponse,
    errors: ['InputValidationError'],
  })
  async authenticateHawk(@Payload() { sourceIp: _, ...request }: AuthenticateHawkRequest): Promise<AuthenticateHawkResponse> {
    try {
      const { caller, anonymous, hash } = await this.authentication.authenticate(request);
      const { clientId, expires } = caller;
      const scopes = [...caller.scopes];
      if (anonymous) return { status: 'no-auth', scheme: 'none', scopes, expires: expires.toISOString() };
      const success = { status: 'auth-success', scheme: 'hawk', scopes, expires: expires.toISOString() };
      return { ...success, ...(clientId ? { clientId } : {}), ...(hash === undefined ? {} : { hash }) };
    } catch (error) {
      if (!(error instanceof AuthenticationError)) throw error;
      this.refusals.refused({ code: 'AuthenticationFailed', signer: error.signer, operation: 'authenticateHawk', params: {} });
      return { status: 'auth-failed', message: error.message };
    }
  }

  @Post('test-authenticate')
  @RequireScopes(null)
  @Operation({
    summary: 'Try out signing with the client `tester`, token `no-secret`',
    description:
      'For authors of client libraries. The tester has the scopes given in the body and must satisfy the required ones; no role applies.',
    response: TestAuthenticateResponse,
    errors: ['InputValidationError'],
  })
  testAuthenticate(@Req() request: ApiRequest, @Payload() body: TestAuthenticateRequest): TestAuthenticateResponse {
    return answer(testerCaller(signedRequest(request), sentBody(request), body.clientScopes, Date.now()), { AllOf: body.requiredScopes });
  }

  @Get('test-authenticate-get')
  @RequireScopes(null)
  @Operation({
    summary: 'Try out a signed GET, or a signed URL, with the client `tester`, token `no-secret`',
    description: 'The tester has `test:*` and `auth:create-client:test:*`; `test:authenticate-get` is required.',
    response: TestAuthenticateResponse,
  })
  testAuthenticateGet(@Req() request: ApiRequest): TestAuthenticateResponse {
    const caller = testerCaller(signedRequest(request), sentBody(request), ['test:*', 'auth:create-client:test:*'], Date.now());
    return answer(caller, 'test:authenticate-get');
  }
}

function sentBody({ headers, rawBody = Buffer.alloc(0) }: ApiRequest): SentBody {
  return { contentType: headers['content-type'], bytes: rawBody };
}

function answer(caller: Caller, required: string | { AllOf: string[] }): TestAuthenticateResponse {
  caller.require(required);
  return { clientId: caller.clientId ?? '', scopes: [...caller.scopes] };
}
