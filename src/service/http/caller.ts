import { QUEUE_ISSUER, runRole } from '../../credentials/run-grant.js';
import { satisfies } from '../../scopes/scope.js';
import {
  isSatisfiedByNormal,
  missingScopes,
  renderTemplate,
  type ScopeExpression,
  type ScopeParams,
  type ScopeTemplate,
  satisfyingScopes,
} from '../../scopes/scope-expression.js';
import { holdsScope, normalizeScopes } from '../../scopes/scope-set.js';
import type { ApiError } from './api-error.js';
import type { Signer } from './authentication-error.js';
import { accountOf } from './quota.js';
import { ScopesError } from './scopes-error.js';

// Anybody may ask for a list of any length; nobody reads a longer one, and nobody shall make us compare one.
const LONGEST_SHOWN = 20_000;
const LONGEST_COMPARED = 200_000;

/** The run whose credentials the caller holds. */
export interface CallerRun {
  taskId: string;
  runId: number;
  /** Who runs it. */
  workerGroup: string;
  workerId: string;
  /** On whose authority its task was created; null: it was not looked up. */
  creator: Creator | null;
  /** How often scopes were taken from it; absent: it was not looked at. */
  losses?: number;
  /** Shown by a token, this one: nothing comes with being the run, only with the token's scopes. */
  byToken?: string;
}

/** On whose authority a task is created. */
export interface Creator {
  /** A permanent client; '' is a caller without credentials; null: nobody knows. */
  clientId: string | null;
  /** When that client was made (ISO 8601), as another one may have its name later; the epoch: by configuration; null: nobody knows. */
  since: string | null;
  /** `<taskId>/<runId>` of the run that created it, if one did. */
  run: string | null;
  /** The same of runs further up, nearest first, whose own scopes it may have. */
  elders: readonly string[];
}

/** What the credentials said before roles were followed: for who asks why the caller holds what it holds. */
export interface Grounds {
  /** Of the certificate or the client; of a run, nothing: its task says it. */
  scopes: readonly string[];
  /** Whether a certificate gave them. */
  temporary: boolean;
  /** What the caller restricted itself to, if it did. */
  authorizedScopes: readonly string[] | undefined;
  /** A signed URL: it outlives a run. */
  signedUrl: boolean;
}

/** Is told which scopes of a run decided that it may do something. */
export interface UseRecord {
  used(run: Pick<CallerRun, 'taskId' | 'runId'>, scope: string): void;
}

/** Who makes this request, verified. `clientId` is undefined for a caller without credentials. */
export class Caller {
  private normal: readonly string[] | undefined;

  constructor(
    readonly clientId: string | undefined,
    /** Expanded and in normal form; always includes what anonymous callers have. */
    readonly scopes: readonly string[],
    readonly expires: Date,
    readonly run?: CallerRun,
    /** The client who issued the credentials, if they are temporary. */
    private readonly issuer: string | undefined = clientId,
    readonly grounds?: Grounds,
    private readonly uses?: UseRecord,
    /** When the issuer was made. */
    private readonly issuerSince?: Date,
  ) {}

  /** On which it takes what all callers share: see Quota. */
  get account(): string {
    return accountOf(this.issuer, this.run !== undefined);
  }

  /** Whose request it is, for refusals; undefined: a caller without credentials. */
  get signer(): Signer | undefined {
    const { clientId, account, run } = this;
    return clientId === undefined ? undefined : { clientId, account, run };
  }

  /**
   * The run, if the caller is all of it: by the run's own credentials, be it over or not, or by whatever holds its role. A token that does not,
   * and a proxy that restricts itself, is a part of it and needs scopes, also for what is the run's own.
   */
  get itself(): CallerRun | undefined {
    if (!this.run) return undefined;
    const isWhole = this.run.byToken === undefined && this.grounds?.authorizedScopes === undefined;
    return isWhole || holdsScope(this.scopes, runRole(this.run)) ? this.run : undefined;
  }

  /**
   * The permanent client behind these credentials, whatever they are called and however soon they end: tasks outlive them. What a run
   * creates is on the authority of its own task, so a chain of decision tasks has one root. Who holds credentials of one artifact is
   * nobody in particular.
   */
  get creator(): Creator {
    if (this.run) return creatorBy(this.run);
    const isNobody = this.issuer === undefined || this.issuer === QUEUE_ISSUER;
    if (isNobody) return { clientId: '', since: null, run: null, elders: [] };
    return { clientId: this.issuer ?? '', since: this.issuerSince?.toISOString() ?? null, run: null, elders: [] };
  }

  holds(expression: ScopeExpression): boolean {
    if (this.run && this.uses) return this.holdsByUse(expression, this.run, this.uses);
    // one question about one scope is not worth sorting for; a batch of tasks asks thousands of them, and sorts once
    if (typeof expression === 'string' && !this.normal) return holdsScope(this.scopes, expression);
    this.normal ??= normalizeScopes(this.scopes);
    return isSatisfiedByNormal(this.normal, expression);
  }

  /** Notes scopes that it holds as used, where nothing asks for them one by one. */
  use(scopes: readonly string[]): void {
    if (this.run && this.uses && scopes.length > 0) this.holdsByUse({ AllOf: [...scopes] }, this.run, this.uses);
  }

  private holdsByUse(expression: ScopeExpression, run: CallerRun, uses: UseRecord): boolean {
    const used = this.satisfying(expression);
    for (const scope of used ?? []) uses.used(run, scope);
    return used !== undefined;
  }

  private satisfying(expression: ScopeExpression): string[] | undefined {
    if (typeof expression === 'string' && !this.normal) {
      const one = this.scopes.find((scope) => satisfies(scope, expression));
      return one === undefined ? undefined : [one];
    }
    this.normal ??= normalizeScopes(this.scopes);
    return satisfyingScopes(this.normal, expression);
  }

  /** Throws InsufficientScopes unless the caller satisfies the rendered template. */
  require(template: ScopeTemplate, parameters: ScopeParams = {}): void {
    const required = renderTemplate(template, parameters);
    if (!this.holds(required)) throw this.lacks(required);
  }

  /** The refusal; a caller with credentials also learns what of the expression is missing. */
  lacks(required: ScopeExpression | ScopeTemplate): ApiError {
    const expression = JSON.stringify(required, null, 2);
    if (this.clientId === undefined) {
      const text = `Callers without credentials do not have the scopes for this. Required:\n\n${block(expression)}`;
      return new ScopesError(text, required);
    }
    // finding out sorts both lists, and nobody reads the outcome for megabytes of them
    const missing = expression.length > LONGEST_COMPARED ? required : (missingScopes(this.scopes, required as ScopeExpression) ?? required);
    const text = `Client ID ${this.clientId} lacks scopes. Missing:\n\n${block(JSON.stringify(missing, null, 2))}\n\nRequired:\n\n${block(expression)}`;
    return new ScopesError(text, required);
  }
}

function creatorBy({ taskId, runId, creator }: CallerRun): Creator {
  const elders = creator?.run ? [creator.run, ...creator.elders] : [];
  return { clientId: creator?.clientId ?? null, since: creator?.since ?? null, run: `${taskId}/${runId}`, elders };
}

function block(json: string): string {
  const more = json.length - LONGEST_SHOWN;
  return `\`\`\`\n${more > 0 ? `${json.slice(0, LONGEST_SHOWN)}\n… and ${more} more characters` : json}\n\`\`\``;
}
