import {
  isSatisfied,
  missingScopes,
  renderTemplate,
  type ScopeExpression,
  type ScopeParams,
  type ScopeTemplate,
} from '../../scopes/scope-expression.js';
import { ApiError } from './api-error.js';

/** The run whose credentials the caller holds. */
export interface CallerRun {
  taskId: string;
  runId: number;
}

/** Who makes this request, verified. `clientId` is undefined for a caller without credentials. */
export class Caller {
  constructor(
    readonly clientId: string | undefined,
    /** Expanded and in normal form; always includes what anonymous callers have. */
    readonly scopes: readonly string[],
    readonly expires: Date,
    readonly run?: CallerRun,
  ) {}

  holds(expression: ScopeExpression): boolean {
    return isSatisfied(this.scopes, expression);
  }

  /** Throws InsufficientScopes unless the caller satisfies the rendered template. */
  require(template: ScopeTemplate, parameters: ScopeParams = {}): void {
    const required = renderTemplate(template, parameters);
    if (!this.holds(required)) throw this.lacks(required);
  }

  /** The refusal; a caller with credentials also learns what of the expression is missing. */
  lacks(required: ScopeExpression | ScopeTemplate): ApiError {
    const expression = block(required);
    if (this.clientId === undefined) {
      return new ApiError('InsufficientScopes', `Callers without credentials do not have the scopes for this. Required:\n\n${expression}`);
    }
    const missing = missingScopes(this.scopes, required as ScopeExpression) ?? required;
    const text = `Client ID ${this.clientId} lacks scopes. Missing:\n\n${block(missing)}\n\nRequired:\n\n${expression}`;
    return new ApiError('InsufficientScopes', text);
  }
}

function block(value: unknown): string {
  return `\`\`\`\n${JSON.stringify(value, null, 2)}\n\`\`\``;
}
