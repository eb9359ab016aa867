import type { ArgumentMetadata, PipeTransform } from '@nestjs/common';
import { Query } from '@nestjs/common';
import { ApiQuery } from '@nestjs/swagger';
import { ApiError } from './api-error.js';

const QUERY_NAMES = Symbol('leasehold:query-names');

export interface QueryRule {
  pattern: RegExp;
  description: string;
  /** For the document; the handler gets the text. */
  type?: 'integer' | 'string';
}

/** An optional query parameter. The handler gets its text, or undefined. */
export function UrlQuery(name: string, rule: QueryRule): ParameterDecorator {
  return (target, key, index) => {
    const descriptor = Object.getOwnPropertyDescriptor(target, key as string) as PropertyDescriptor;
    Query(name, new QueryPipe(rule))(target, key, index);
    const schema = rule.type === 'integer' ? { type: 'integer', minimum: 0 } : { type: 'string', pattern: rule.pattern.source };
    ApiQuery({ name, required: false, description: rule.description, schema } as never)(target, key as string, descriptor);
    const handler = descriptor.value as { [QUERY_NAMES]?: string[] };
    handler[QUERY_NAMES] = [...(handler[QUERY_NAMES] ?? []), name];
  };
}

export const Limit = () =>
  UrlQuery('limit', { pattern: /^[0-9]+$/, type: 'integer', description: 'At most this many; 1000 when absent or larger' });
export const ContinuationToken = () =>
  UrlQuery('continuationToken', { pattern: /^.+$/, description: 'Where the page before this one ended, as its response says' });

class QueryPipe implements PipeTransform {
  constructor(private readonly rule: QueryRule) {}

  transform(value: unknown, { data: name }: ArgumentMetadata): string | undefined {
    if (value === undefined) return undefined;
    if (typeof value === 'string' && this.rule.pattern.test(value)) return value;
    throw new ApiError(
      'InvalidRequestArguments',
      `Query parameter ${name} must match ${this.rule.pattern.source}: ${this.rule.description}`,
    );
  }
}

/** Throws InvalidRequestArguments for a parameter the operation does not know, or one given twice. `bewit` is always known. */
export function assertKnownQuery(query: Record<string, unknown>, handler: unknown): void {
  const known = (handler as { [QUERY_NAMES]?: string[] })[QUERY_NAMES] ?? [];
  for (const [name, value] of Object.entries(query)) {
    if (name === 'bewit') continue;
    if (!known.includes(name)) {
      const hint = known.length ? `known are: ${known.join(', ')}` : 'this operation takes none';
      throw new ApiError('InvalidRequestArguments', `Unknown query parameter ${JSON.stringify(name)}; ${hint}`);
    }
    if (Array.isArray(value))
      throw new ApiError('InvalidRequestArguments', `Query parameter ${name} is given more than once; send it once`);
  }
}
