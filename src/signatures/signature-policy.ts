import type { SignatureCode } from './signature-error.js';

/**
 * What becomes of a task whose signature is missing, or not good. `off`: nobody looks. `warn`: it runs, and is marked; but never where the
 * definition is not the one that was signed, or where the check itself failed. `require`: it does not run.
 */
export const SIGNATURE_POLICIES = ['off', 'warn', 'require'] as const;
export type SignaturePolicy = (typeof SIGNATURE_POLICIES)[number];

/** The stricter one: what a worker is told by the queue can raise its own policy, and never lower it. */
export function stricterOf(one: SignaturePolicy, other: SignaturePolicy): SignaturePolicy {
  return SIGNATURE_POLICIES.indexOf(one) >= SIGNATURE_POLICIES.indexOf(other) ? one : other;
}

/** What no policy lets pass: somebody has changed the definition, or nobody knows whether it is good, or it would reach for the worker. */
const NEVER_COVERED: readonly SignatureCode[] = [
  'definition-mismatch',
  'definition-reserved-env',
  'signed-definition-not-normalized',
  'signature-check-error',
];

/** Whether a task of which this is known runs where the policy is `warn`. */
export function isCoveredByWarn(code: SignatureCode): boolean {
  return !NEVER_COVERED.includes(code);
}
