import { ApiError } from './api-error.js';

/** No client id is one of these. */
const STRANGERS = '';
const RUNS = '*';
const WHOSE: Record<string, string> = { [STRANGERS]: 'callers without credentials', [RUNS]: 'runs' };

/** An account in words, where it is not that of one client. */
export function accountName(account: string): string {
  return WHOSE[account] ?? account;
}

export interface QuotaBounds {
  /** In all, for this process. */
  all: number;
  /** Of it for one client, and for all runs together. */
  client: number;
  /** Of it for all callers without credentials together. */
  strangers: number;
}

/**
 * What callers share of one process: so much in all, and no account takes the part of the others. Who comes beyond is refused at once,
 * because whoever is kept waiting needs memory as well.
 */
export class Quota {
  private taken = 0;
  private readonly accounts = new Map<string, number>();

  /** `what`: of which there is only so much, for the refusal. */
  constructor(
    private readonly what: string,
    private readonly bounds: QuotaBounds,
  ) {}

  /** Throws ServiceUnavailable if there is not so much left for this account. */
  assertRoom(account: string, amount = 1): void {
    const { all, client, strangers } = this.bounds;
    const own = account === STRANGERS ? strangers : client;
    if (this.taken + amount <= all && (this.accounts.get(account) ?? 0) + amount <= own) return;
    const bound = this.taken + amount > all ? `${all} ${this.what}` : `${own} ${this.what} of ${WHOSE[account] ?? 'one client'}`;
    throw new ApiError('ServiceUnavailable', `More than ${bound} are not served at once; try again soon`);
  }

  /** Takes some until the function it answers is called, once. Throws ServiceUnavailable. */
  take(account: string, amount = 1): () => void {
    this.assertRoom(account, amount);
    this.add(account, amount);
    let held = amount;
    return () => {
      this.add(account, -held);
      held = 0;
    };
  }

  private add(account: string, amount: number): void {
    this.taken += amount;
    const sum = (this.accounts.get(account) ?? 0) + amount;
    if (sum > 0) this.accounts.set(account, sum);
    else this.accounts.delete(account);
  }
}

/**
 * On whose account a caller takes: on that of the client whose permanent token stands behind its credentials, because it may name as many
 * temporary ones as it likes. But strangers share one, and so do runs: whoever creates tasks has as many of those as there are workers.
 */
export function accountOf(issuer: string | undefined, isRun: boolean): string {
  if (issuer === undefined) return STRANGERS;
  return isRun ? RUNS : issuer;
}
