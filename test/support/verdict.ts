import { amountOf, covers, type Role } from './scope-oracle.js';

/** What the oracle says of the code: it gave more than there was to give, or less, or took what nobody may say. */
export class Verdict extends Error {
  override readonly name = 'Verdict';
}

/** Throws Verdict: the oracle and the code disagree. All that it takes to see it by hand is in the message. */
export function condemn(what: string, facts: object): never {
  throw new Verdict(`${what}: ${JSON.stringify(facts, null, 1)}`);
}

/** What was issued, as it was read back from its text and as it was taken by who authenticates. */
export interface Issued {
  /** Which of all that is issued it is. */
  kind: string;
  /** In the certificate, in the token. */
  scopes: readonly string[];
  /** What they amount to, says the code. */
  effective: readonly string[];
}

/** What there was to give, and what should have been given of it. */
export interface Terms {
  roles: readonly Role[];
  /** What the creator holds, and what comes with the run. */
  source: readonly string[];
  /** What was asked for, as it should be issued. */
  asked: readonly string[];
  /** What is neither given nor followed. */
  leftOut?: (scope: string) => boolean;
}

/** Too much for the oracle: the world is passed over. */
export class Beyond extends Error {
  override readonly name = 'Beyond';
}

/** All that these amount to, says the oracle. Throws Beyond. */
export function amount(scopes: readonly string[], roles: readonly Role[], leftOut?: (scope: string) => boolean): string[] {
  const all = amountOf(scopes, roles, leftOut);
  if (!all) throw new Beyond('too much to expand without thinking');
  return all;
}

/** Throws Verdict if anything of it is not the creator's, or it is not worth just what was asked for. */
export function judge({ kind, scopes, effective }: Issued, { roles, source, asked, leftOut }: Terms): void {
  const allowed = amount(source, roles);
  const due = amount(asked, roles, leftOut);
  const facts = { kind, roles, source, asked, scopes, effective };
  const stolen = [...scopes, ...effective].filter((scope) => !covers(allowed, scope));
  if (stolen.length > 0) condemn('issued beyond what its creator holds', { stolen, ...facts });
  const more = effective.filter((scope) => !covers(due, scope));
  if (more.length > 0) condemn('worth more than what was asked for', { more, ...facts });
  const less = due.filter((scope) => !covers(effective, scope));
  if (less.length > 0) condemn('worth less than what was asked for', { less, ...facts });
}
