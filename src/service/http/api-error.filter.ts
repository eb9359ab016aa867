import { randomUUID } from 'node:crypto';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ApiError } from './api-error.js';
import type { ApiRequest } from './caller.guard.js';
import { operationOf } from './operation.decorator.js';

/** Turns whatever was thrown into the wire's error body. What we did not foresee becomes a 500 that shows only an incident id. */
@Catch()
export class ApiErrorFilter implements ExceptionFilter {
  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<ApiRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (reply.sent) return;
    if (thrown instanceof HttpException && thrown.getStatus() === 404) {
      reply.code(404).send({ error: 'Not found' });
      return;
    }
    const error = known(thrown) ?? incident(thrown, request);
    if (error.code === 'AuthenticationFailed') reply.header('www-authenticate', 'hawk');
    reply.code(error.status).type('application/json; charset=utf-8').send(errorBody(error, request));
  }
}

function known(thrown: unknown): ApiError | undefined {
  if (thrown instanceof ApiError) return thrown;
  const { code, statusCode } = thrown as { code?: string; statusCode?: number };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new ApiError('InputTooLarge', 'The body is larger than 10 MiB');
  if (code?.startsWith('FST_ERR_CTP') && statusCode === 400)
    return new ApiError('MalformedPayload', 'The body does not match its content-length');
  return undefined;
}

function incident(thrown: unknown, request: ApiRequest): ApiError {
  const incidentId = randomUUID();
  request.log.error({ err: thrown, incidentId }, 'request failed');
  return new ApiError('InternalServerError', `Something went wrong on our side; incident ${incidentId} is in the service's log`);
}

function errorBody({ code, status, message }: ApiError, request: ApiRequest) {
  const method = operationOf(request) ?? '-';
  const time = new Date().toISOString();
  const trailer = `\n\n---\n\n* method:     ${method}\n* errorCode:  ${code}\n* statusCode: ${status}\n* time:       ${time}`;
  return {
    code,
    message: message + trailer,
    requestInfo: { method, params: request.params ?? {}, payload: request.body ?? {}, time },
  };
}
