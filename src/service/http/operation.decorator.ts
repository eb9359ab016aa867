import { applyDecorators, HttpCode } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiConsumes, ApiExtension, ApiExtraModels, ApiOperation, ApiResponse, ApiSecurity, getSchemaPath } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { type AnswerHeaders, always, sometimes } from './answer-headers.js';
import { ERRORS, type ErrorCode } from './api-error.js';
import { BASIC_CHALLENGES, CHALLENGES } from './challenges.js';
import { ErrorResponse } from './error-response.dto.js';
import { FORM_TYPE } from './form.js';
import { OAuthErrorResponse } from './oauth-error.js';

export interface OperationOptions {
  summary: string;
  description?: string;
  /** The content type of an answer that is not JSON. */
  produces?: string;
  /** The class of the answer; absent: the answer has no body. */
  response?: new () => object;
  /** The answer is a list of `response`. */
  isArray?: boolean;
  /** The answer is of one of these classes instead. */
  oneOf?: readonly (new () => object)[];
  status?: 200 | 204 | 303;
  stability?: 'stable' | 'experimental' | 'deprecated';
  /** Credentials are never looked at. */
  unsigned?: boolean;
  /** The body is a form, and refusals are also told in the words of OAuth. */
  form?: boolean;
  /** Callers may also send a name and a password, and what is answered may hold tokens. So it is with a form. */
  basic?: boolean;
  /** The handler reads the body itself, as it comes, or sends one of any length. */
  streamed?: boolean;
  /** Refusals beyond those that every operation may answer. */
  errors?: readonly ErrorCode[];
  /** What answers of a status say in their headers, beyond what all say. */
  headers?: Readonly<Record<number, AnswerHeaders>>;
}

const challenge = (all: readonly string[]) => ({ 'www-authenticate': always(all.map((one) => `\`${one}\``).join(', ')) });
const CHALLENGE = challenge(CHALLENGES); // RFC 9110, 11.6.1: a 401 must say how to authenticate
const BASIC_CHALLENGE = challenge(BASIC_CHALLENGES);
const SCOPE_CHALLENGE = {
  'www-authenticate': sometimes('To who came with a token: `error="insufficient_scope"`, and with which `scope` it would do'),
};

const RETRY = { 'retry-after': always('Seconds, different ones for each answer, so that not all come back at once') };

const EVERYWHERE: readonly ErrorCode[] = ['InvalidRequestArguments', 'InternalServerError', 'ServiceUnavailable'];
const SIGNED: readonly ErrorCode[] = ['AuthenticationFailed', 'InsufficientScopes'];
const OF_FORMS: readonly ErrorCode[] = ['MalformedPayload', 'InputValidationError', 'InputTooLarge'];

/** Documents an operation: what it does, what it answers, how it refuses. Its name is the method's. */
export function Operation(options: OperationOptions): MethodDecorator {
  const {
    summary,
    description = '',
    status = 200,
    stability = 'stable',
    unsigned = false,
    streamed = false,
    form = false,
    basic = false,
    oneOf,
    errors = [],
  } = options;
  return applyDecorators(
    (target, key, descriptor) =>
      RouteConfig({ operation: String(key), ...(streamed ? { streamed } : {}), ...(form ? { form } : {}), ...(basic ? { basic } : {}) })(
        target,
        key,
        descriptor,
      ),
    HttpCode(status),
    ApiOperation({ summary, description, deprecated: stability === 'deprecated' }),
    ApiExtension('x-stability', stability),
    ...(oneOf ? [ApiExtraModels(...oneOf)] : []),
    ApiResponse({ status, description: 'Success', ...answerOf(options), ...headersOf(status, options) }),
    ...(unsigned && !form && !basic ? [ApiSecurity({})] : []),
    ...(form ? [ApiConsumes(FORM_TYPE)] : []),
    ...refusals([...EVERYWHERE, ...(unsigned ? [] : SIGNED), ...(form ? OF_FORMS : []), ...errors], options),
  );
}

function answerOf({ response, isArray = false, oneOf, produces }: OperationOptions) {
  if (produces) return { content: { [produces]: { schema: { type: 'string' as const } } } };
  if (oneOf) return { content: { 'application/json': { schema: { oneOf: oneOf.map((one) => ({ $ref: getSchemaPath(one) })) } } } };
  return response ? { type: response, isArray } : {};
}

function refusals(codes: readonly ErrorCode[], options: OperationOptions): MethodDecorator[] {
  return [...byStatusOf(codes)].map(([status, group]) => {
    const description = group.map(inWords).join('\n\n');
    return ApiResponse({ status, description, type: options.form ? OAuthErrorResponse : ErrorResponse, ...headersOf(status, options) });
  });
}

function headersOf(status: number, { headers = {}, form, basic, unsigned }: OperationOptions): { headers?: AnswerHeaders } {
  const known = {
    ...(status === 401 ? (form || basic ? BASIC_CHALLENGE : CHALLENGE) : {}),
    ...(status === 403 && !unsigned ? SCOPE_CHALLENGE : {}),
    ...(status === 503 ? RETRY : {}),
    ...headers[status],
  };
  return Object.keys(known).length > 0 ? { headers: known } : {};
}

/** How a refusal is promised in the description of its status. */
export function inWords(code: ErrorCode): string {
  return `\`${code}\`: ${ERRORS[code].when}`;
}

function byStatusOf(codes: readonly ErrorCode[]): Map<number, ErrorCode[]> {
  const groups = new Map<number, ErrorCode[]>();
  for (const code of codes) groups.set(ERRORS[code].status, [...(groups.get(ERRORS[code].status) ?? []), code]);
  return groups;
}

/** The name of the operation that serves a request, for error bodies and logs. */
export function operationOf(request: FastifyRequest): string | undefined {
  return (request.routeOptions?.config as { operation?: string } | undefined)?.operation;
}
