import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { payloadHashMatches } from '../../credentials/hawk.js';
import { type ScopeTemplate, templateParameters } from '../../scopes/scope-expression.js';
import { AuthenticationError } from './authentication-error.js';
import { Authenticator, type SignedRequest } from './authenticator.js';
import { authorizationOf } from './authorization-header.js';
import type { Caller } from './caller.js';
import { assertKnownQuery } from './query.js';
import { Quota } from './quota.js';
import { OWN_RUN, REQUIRED_SCOPES, WAITS } from './require-scopes.decorator.js';
import { assertParams } from './url-param.js';
import { whenOver } from './when-over.js';

export interface ApiRequest extends FastifyRequest<{ Params: Record<string, string>; Querystring: Record<string, string> }> {
  caller?: Caller;
  /** As it came: a payload hash is over bytes. */
  rawBody?: Buffer;
  /** Of an operation that authenticates by itself, see `admit`. */
  admit?: (caller: Caller) => void;
}

type Handler = ReturnType<ExecutionContext['getHandler']>;

/** What a handler's decorators say; looked up once, because it is the same for each of its calls. */
interface Demands {
  template: ScopeTemplate | null;
  /** What the template needs from outside. */
  parameters: readonly string[];
  ownRun: boolean;
  waits: boolean;
}

/** Requests that are not answered yet. As many statements may wait for a connection: whoever took all of them would have others refused. */
const MOST_UNDER_WAY = { all: 2_000, client: 1_000, strangers: 200 };

/** Authenticates, then authorizes if the URL alone decides; then looks at URL parameters and the query string, as the wire protocol orders it. */
@Injectable()
export class CallerGuard implements CanActivate {
  private readonly demands = new Map<Handler, Demands>();
  private readonly underWay = new Quota('requests', MOST_UNDER_WAY);

  constructor(
    private readonly reflector: Reflector,
    private readonly authenticator: Authenticator,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const handler = context.getHandler();
    const http = context.switchToHttp();
    const request = http.getRequest<ApiRequest>();
    const { template, parameters, ownRun, waits } = this.demandsOf(handler);
    const take = ({ account }: Caller) => whenOver(http.getResponse<FastifyReply>().raw, this.underWay.take(account));
    if (template === null) request.admit = take;
    else {
      request.caller = await this.authenticate(request, ownRun);
      if (!waits) take(request.caller);
      if (parameters.every((name) => name in request.params)) request.caller.require(template, request.params);
    }
    assertParams(request.params, handler);
    assertKnownQuery(request.query, handler);
    return true;
  }

  private demandsOf(handler: Handler): Demands {
    const known = this.demands.get(handler);
    if (known) return known;
    const template = this.reflector.get<ScopeTemplate | null | undefined>(REQUIRED_SCOPES, handler);
    if (template === undefined) throw new Error(`${handler.name} declares no @RequireScopes`);
    const parameters = template === null ? [] : templateParameters(template);
    const marked = (mark: string) => this.reflector.get(mark, handler) === true;
    const demands = { template, parameters, ownRun: marked(OWN_RUN), waits: marked(WAITS) };
    this.demands.set(handler, demands);
    return demands;
  }

  private async authenticate(request: ApiRequest, ownRun: boolean): Promise<Caller> {
    const { taskId = '', runId = '' } = request.params;
    const authenticated = await this.authenticator.authenticate(signedRequest(request), ownRun ? { taskId, runId } : undefined);
    assertPayload(request, authenticated);
    return authenticated.caller;
  }
}

/**
 * Says who makes a request, for operations that authenticate by themselves: from here on it takes its place among those under way, as all
 * others do. Throws ServiceUnavailable where there is none left.
 */
export function admit(request: ApiRequest, caller: Caller): void {
  request.caller = caller;
  request.admit?.(caller);
}

/** Throws AuthenticationFailed unless the body is the one that was signed, if one was. */
export function assertPayload(
  { headers, rawBody = Buffer.alloc(0) }: ApiRequest,
  { caller, hash }: { caller: Caller; hash?: string | undefined },
): void {
  if (hash === undefined || payloadHashMatches(hash, headers['content-type'], rawBody)) return;
  throw new AuthenticationError('Invalid payload hash: the Authorization header signs another body or content type', caller.signer);
}

/**
 * The same of a form. It must have been signed with its hash: all that is asked for is in it, and the signature is good for minutes, so a header
 * alone would sign whatever form somebody put behind it.
 */
export function assertSignedForm(request: ApiRequest, authenticated: { caller: Caller; hash?: string | undefined }): void {
  assertPayload(request, authenticated);
  const { signer } = authenticated.caller;
  if (authenticated.hash !== undefined || signer === undefined) return;
  throw new AuthenticationError(
    'The signature does not cover the form: send its payload hash as `hash` in the Authorization header (Hawk, Payload Validation)',
    signer,
  );
}

/** What the caller signed: a proxy in front of us says where the request was sent. Throws AuthenticationFailed for two Authorization headers. */
export function signedRequest(request: FastifyRequest): SignedRequest {
  const { headers } = request;
  const [host = '', hostPort] = splitHost(first(headers['x-forwarded-host']) ?? headers.host ?? '');
  const https = first(headers['x-forwarded-proto']) === 'https';
  const port = first(headers['x-forwarded-port']) ?? (https ? '443' : (hostPort ?? '80'));
  const signed: SignedRequest = { method: request.method, resource: request.originalUrl, host, port: Number(port) };
  const authorization = authorizationOf(request);
  if (authorization !== undefined) signed.authorization = authorization;
  if (headers.dpop !== undefined) signed.proof = String(headers.dpop);
  return signed;
}

function splitHost(host: string): [string, string | undefined] {
  const match = /^(.*?)(?::(\d+))?$/.exec(host);
  return [match?.[1] ?? host, match?.[2]];
}

function first(header: string | string[] | undefined): string | undefined {
  return (Array.isArray(header) ? header[0] : header)?.split(',')[0]?.trim() || undefined;
}
