import { randomUUID } from 'node:crypto';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { DatabaseAway } from '../postgres/database-away.js';
import { ApiError } from './api-error.js';
import { AuthenticationError } from './authentication-error.js';
import type { ApiRequest } from './caller.guard.js';
import { challengesOf, scopeChallenge } from './challenges.js';
import { takesBasic, takesForm } from './form.js';
import { inOAuthWords, OAuthError, refusalOf } from './oauth-error.js';
import { operationOf } from './operation.decorator.js';
import { Refusals } from './refusals.js';

/** Turns whatever was thrown into the wire's error body. What we did not foresee becomes a 500 that shows only an incident id. */
@Catch()
@Injectable()
export class ApiErrorFilter implements ExceptionFilter {
  constructor(private readonly refusals: Refusals) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<ApiRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (reply.sent) return;
    // what is no route of ours has no body of ours either: an unreadable one changes nothing
    if (request.is404 || (thrown instanceof HttpException && thrown.getStatus() === 404)) {
      reply.code(404).send({ error: 'Not found' });
      return;
    }
    const error = known(thrown) ?? away(thrown, request) ?? incident(thrown, request);
    this.remember(error, request);
    sendError(error, request, reply);
  }

  private remember(error: ApiError, request: ApiRequest): void {
    const code = refusalOf(error);
    if (code === undefined) return;
    const oauth = error instanceof OAuthError ? error : undefined;
    const signer = error instanceof AuthenticationError ? error.signer : (oauth?.signer ?? request.caller?.signer);
    this.refusals.refused({ code, signer, operation: operationOf(request), params: request.params ?? {}, error: oauth?.error });
  }
}

/** Answers with the wire's error body. */
export function sendError(error: ApiError, request: ApiRequest, reply: FastifyReply): void {
  if (error.code === 'AuthenticationFailed') reply.header('www-authenticate', challengesOf(error, takesBasic(request)));
  if (error.code === 'InsufficientScopes' && request.caller?.run?.byToken !== undefined)
    reply.header('www-authenticate', scopeChallenge(error, request.headers.authorization));
  if (error.code === 'ServiceUnavailable') reply.header('retry-after', String(retryAfter()));
  reply.code(error.status).type('application/json; charset=utf-8').send(errorBody(error, request));
}

/** Seconds. Those who were refused together do not come back together. */
function retryAfter(): number {
  return 1 + Math.floor(Math.random() * 5);
}

const FASTIFY_REFUSALS: Record<string, ApiError> = {
  FST_ERR_CTP_BODY_TOO_LARGE: new ApiError('InputTooLarge', 'The body is larger than 10 MiB; send less'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: new ApiError('MalformedPayload', 'The content-type is none; send `application/json`'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: new ApiError('MalformedPayload', 'The body does not match its content-length; send as many bytes'),
};

/** Our refusals, and those of Fastify, which Nest wraps. */
function known(thrown: unknown): ApiError | undefined {
  if (thrown instanceof ApiError) return thrown;
  const cause = thrown instanceof HttpException ? thrown.cause : thrown;
  const { code = '', statusCode = 500 } = (cause ?? {}) as { code?: string; statusCode?: number };
  if (FASTIFY_REFUSALS[code]) return FASTIFY_REFUSALS[code];
  return statusCode < 500 ? new ApiError('MalformedPayload', 'The request could not be read to its end; send it again') : undefined;
}

function away(thrown: unknown, request: ApiRequest): ApiError | undefined {
  if (!(thrown instanceof DatabaseAway)) return undefined;
  request.log.warn({ err: thrown }, 'the database is away');
  return new ApiError('ServiceUnavailable', 'The database cannot be asked at the moment; try again soon');
}

function incident(thrown: unknown, request: ApiRequest): ApiError {
  const incidentId = randomUUID();
  request.log.error({ err: thrown, incidentId }, 'request failed');
  return new ApiError('InternalServerError', `Something went wrong on our side; incident ${incidentId} is in the service's log`);
}

function errorBody(error: ApiError, request: ApiRequest) {
  const { code, status, message } = error;
  const ofForm = takesForm(request);
  const method = operationOf(request) ?? '-';
  const time = new Date().toISOString();
  const trailer = `\n\n---\n\n* method:     ${method}\n* errorCode:  ${code}\n* statusCode: ${status}\n* time:       ${time}`;
  const payload = ofForm ? {} : (request.body ?? {}); // a form holds tokens, and refusals are logged and shown
  return {
    ...(ofForm ? inOAuthWords(error) : {}),
    code,
    message: message + trailer,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    requestInfo: { method, params: request.params ?? {}, payload, time },
  };
}
