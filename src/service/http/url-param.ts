import { Param } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import { ApiError } from './api-error.js';

/** What an identifier looks like, and in words. */
export interface Rule {
  pattern: RegExp;
  description: string;
}

const PARAM_RULES = Symbol('leasehold:param-rules');

type Rules = Record<string, Rule>;

/** A URL parameter that follows a rule. */
export function UrlParam(name: string, rule: Rule): ParameterDecorator {
  return (target, key, index) => {
    const descriptor = Object.getOwnPropertyDescriptor(target, key as string) as PropertyDescriptor;
    Param(name)(target, key, index);
    ApiParam({ name, description: rule.description, schema: { type: 'string', pattern: rule.pattern.source } })(
      target,
      key as string,
      descriptor,
    );
    const handler = descriptor.value as { [PARAM_RULES]?: Rules };
    handler[PARAM_RULES] = { [name]: rule, ...handler[PARAM_RULES] }; // decorators run from the last parameter to the first
  };
}

/** Throws InvalidRequestArguments: after authorization, and before query and body are looked at, as the wire protocol orders it. */
export function assertParams(params: Record<string, string>, handler: unknown): void {
  const rules = (handler as { [PARAM_RULES]?: Rules })[PARAM_RULES] ?? {};
  for (const [name, rule] of Object.entries(rules)) {
    const value = params[name] ?? '';
    if (rule.pattern.test(value)) continue;
    throw new ApiError('InvalidRequestArguments', `URL parameter ${name} = ${JSON.stringify(value)} must be ${rule.description}`);
  }
}
