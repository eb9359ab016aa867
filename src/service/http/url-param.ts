import type { PipeTransform } from '@nestjs/common';
import { Param } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import { ApiError } from './api-error.js';

/** What an identifier looks like, and in words. */
export interface Rule {
  pattern: RegExp;
  description: string;
}

/** A URL parameter that follows a rule; checked after authorization, as the wire protocol orders it. */
export function UrlParam(name: string, rule: Rule): ParameterDecorator {
  return (target, key, index) => {
    const descriptor = Object.getOwnPropertyDescriptor(target, key as string) as PropertyDescriptor;
    Param(name, new UrlParamPipe(name, rule))(target, key, index);
    ApiParam({ name, description: rule.description, schema: { type: 'string', pattern: rule.pattern.source } })(
      target,
      key as string,
      descriptor,
    );
  };
}

class UrlParamPipe implements PipeTransform {
  constructor(
    private readonly name: string,
    private readonly rule: Rule,
  ) {}

  transform(value: string): string {
    if (this.rule.pattern.test(value)) return value;
    throw new ApiError('InvalidRequestArguments', `URL parameter ${this.name} = ${JSON.stringify(value)} must be ${this.rule.description}`);
  }
}
