import type { ArgumentMetadata, PipeTransform } from '@nestjs/common';
import { Query } from '@nestjs/common';
import { ApiQuery } from '@nestjs/swagger';
import { ApiError } from './api-error.js';
import { isTimestamp } from './shape.js';

const QUERY_NAMES = Symbol('leasehold:query-names');
const REPEATED = Symbol('leasehold:repeated-query-names');

/** The handler of an operation. */
interface Marked {
  [QUERY_NAMES]?: string[];
  [REPEATED]?: string[];
}

/** What a query parameter looks like; the handler gets the text, whatever its type is in the document. */
export type QueryRule = { description: string } & ({ type?: 'integer' | 'repeated'; pattern: RegExp } | { type: 'date-time' });

/** An optional query parameter. The handler gets its text, or undefined; of one that may be repeated a list of texts, which may be empty. */
export function UrlQuery(name: string, rule: QueryRule): ParameterDecorator {
  return (target, key, index) => {
    const descriptor = Object.getOwnPropertyDescriptor(target, key as string) as PropertyDescriptor;
    Query(name, new QueryPipe(rule))(target, key, index);
    ApiQuery({ name, required: false, description: rule.description, schema: schemaOf(rule) } as never)(target, key as string, descriptor);
    const handler = descriptor.value as Marked;
    handler[QUERY_NAMES] = [...(handler[QUERY_NAMES] ?? []), name];
    if (rule.type === 'repeated') handler[REPEATED] = [...(handler[REPEATED] ?? []), name];
  };
}

export const Limit = () =>
  UrlQuery('limit', {
    pattern: /^[0-9]+$/,
    type: 'integer',
    description: 'At most this many; 1000 when absent or larger. Only a page without a continuationToken is the last',
  });
export const ContinuationToken = () =>
  UrlQuery('continuationToken', { pattern: /^.+$/, description: 'Where the page before this one ended, as its response says' });

function schemaOf(rule: QueryRule): object {
  if (rule.type === 'date-time') return { type: 'string', format: 'date-time' };
  const text = { type: 'string', pattern: rule.pattern.source };
  if (rule.type === 'repeated') return { type: 'array', items: text };
  return rule.type === 'integer' ? { type: 'integer', minimum: 0 } : text;
}

class QueryPipe implements PipeTransform {
  constructor(private readonly rule: QueryRule) {}

  transform(value: unknown, { data: name }: ArgumentMetadata): string | string[] | undefined {
    const { rule } = this;
    if (rule.type === 'repeated') return [value ?? []].flat().map((one) => this.text(one, name));
    return value === undefined ? undefined : this.text(value, name);
  }

  private text(value: unknown, name: string | undefined): string {
    const { rule } = this;
    const fits = (text: string) => (rule.type === 'date-time' ? isTimestamp(text) : rule.pattern.test(text));
    if (typeof value === 'string' && fits(value)) return value;
    const wanted = rule.type === 'date-time' ? 'be an RFC 3339 date-time' : `match ${rule.pattern.source}`;
    throw new ApiError('InvalidRequestArguments', `Query parameter ${name} must ${wanted}: ${rule.description}`);
  }
}

/** Throws InvalidRequestArguments for a parameter the operation does not know, or one given twice. `bewit` is always known. */
export function assertKnownQuery(query: Record<string, unknown>, handler: unknown): void {
  const { [QUERY_NAMES]: known = [], [REPEATED]: repeated = [] } = handler as Marked;
  for (const [name, value] of Object.entries(query)) {
    if (name === 'bewit') continue;
    if (!known.includes(name)) {
      const hint = known.length ? `known are: ${known.join(', ')}` : 'this operation takes none';
      throw new ApiError('InvalidRequestArguments', `Unknown query parameter ${JSON.stringify(name)}; ${hint}`);
    }
    if (Array.isArray(value) && !repeated.includes(name))
      throw new ApiError('InvalidRequestArguments', `Query parameter ${name} is given more than once; send it once`);
  }
}
