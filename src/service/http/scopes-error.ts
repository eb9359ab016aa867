import type { ScopeExpression, ScopeTemplate } from '../../scopes/scope-expression.js';
import { ApiError } from './api-error.js';

/** Characters; who asks for a batch of tasks may lack megabytes of scopes, and no header holds those. */
const LONGEST = 2_000;

/** The caller lacks scopes. */
export class ScopesError extends ApiError {
  constructor(
    message: string,
    private readonly required: ScopeExpression | ScopeTemplate,
  ) {
    super('InsufficientScopes', message);
  }

  /** Scopes that would be enough, separated by spaces; undefined where a header cannot say them. */
  get enough(): string | undefined {
    const scopes = enoughFor(this.required);
    if (!scopes?.every((scope) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope))) return undefined;
    const joined = [...new Set(scopes)].join(' ');
    return joined.length <= LONGEST ? joined : undefined;
  }
}

/** Of several ways the first one. */
function enoughFor(required: ScopeExpression | ScopeTemplate): string[] | undefined {
  if (typeof required === 'string') return [required];
  if ('AnyOf' in required) return required.AnyOf[0] === undefined ? undefined : enoughFor(required.AnyOf[0]);
  if (!('AllOf' in required)) return undefined;
  const parts = (required.AllOf as ScopeTemplate[]).map(enoughFor);
  return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
}
