import { Injectable } from '@nestjs/common';
import { canonicalJson } from '../../signatures/canonical-json.js';
import { normalForm } from '../../signatures/normal-form.js';
import { SignatureError } from '../../signatures/signature-error.js';
import { isCoveredByWarn } from '../../signatures/signature-policy.js';
import { type Expectation, inspectTask, verifyTask } from '../../signatures/verify-task.js';
import { Config } from '../config.js';
import { ApiError } from '../http/api-error.js';
import { SignatureCounts } from '../signatures/signature-counts.js';
import { type QueuePolicy, SignaturePolicies } from '../signatures/signature-policies.js';
import { countedAs, type FoundSignature } from './signature-verdict.js';
import type { Signed, StoredDefinition } from './task-definition.js';

/** Seconds that the clocks of creators may be from ours. */
const SKEW = 60;

/**
 * The first look at the signature of a task: a creator who has made a mistake learns of it at once. The last one is the worker's, who
 * need not believe us. What no key could make good is refused whatever the policy is.
 */
@Injectable()
export class CheckSignature {
  constructor(
    private readonly policies: SignaturePolicies,
    private readonly counts: SignatureCounts,
    private readonly config: Config,
  ) {}

  /** Resolves once the policies are known as they are now. Throws DatabaseAway. */
  ready(): Promise<void> {
    return this.policies.fresh();
  }

  /** What is to be stored of the signature. Throws ApiError SignatureRefused, with the stable code of what is wrong. */
  check(taskId: string, definition: StoredDefinition, jws: string | undefined): Signed {
    const { taskQueueId } = definition;
    const queue = this.policies.of(taskQueueId);
    if (queue.policy === 'off' && jws === undefined) return {};
    const now = Math.floor(Date.now() / 1000);
    const expectation = { audience: this.config.signatureAudience, taskId, taskQueueId, runId: 0, now, skew: SKEW };
    try {
      const verdict = judged(jws, definition, queue, expectation);
      this.count(taskQueueId, countedAs(verdict), verdict.kid);
      return jws === undefined ? { verdict } : { jws, verdict };
    } catch (error) {
      if (!(error instanceof SignatureError) || error.code === 'signature-check-error') throw error; // our own failure is nobody's refusal
      this.count(taskQueueId, 'refused', error.claimed.kid);
      throw new ApiError('SignatureRefused', error.message, { detail: error.code, cause: error });
    }
  }

  private count(taskQueueId: string, verdict: ReturnType<typeof countedAs> | 'refused', kid: string | undefined): void {
    if (verdict) this.counts.count({ taskQueueId, by: 'queue', verdict, kid });
  }
}

/** Throws SignatureError for what the policy does not let pass. */
function judged(jws: string | undefined, definition: StoredDefinition, { policy, keySet }: QueuePolicy, to: Expectation): FoundSignature {
  if (policy === 'off') return { verdict: 'unchecked', ...inspected(jws, definition, to) };
  try {
    const { kid, thumbprint, payloadDigest, exp } = explained(definition, to, () => verifyTask(jws, to, keySet, definition), jws);
    assertEndsWith(definition, exp);
    return { verdict: 'verified', kid, thumbprint, payloadDigest };
  } catch (error) {
    if (policy === 'require' || !(error instanceof SignatureError) || !isCoveredByWarn(error.code)) throw error;
    const { code } = error;
    if (code === 'signature-missing') return { verdict: 'failed', code };
    return { verdict: 'failed', code, ...inspected(jws, definition, to) };
  }
}

/** What a signature says of itself, if it could be good by some key. */
function inspected(jws: string | undefined, definition: StoredDefinition, to: Expectation): Pick<FoundSignature, 'kid' | 'payloadDigest'> {
  const { kid, payloadDigest, exp } = explained(definition, to, () => inspectTask(jws, to, definition), jws);
  assertEndsWith(definition, exp);
  return { kid, payloadDigest };
}

/** After the deadline there is nothing to run: a signature that outlives it is only there to be abused. */
function assertEndsWith({ deadline }: StoredDefinition, exp: number): void {
  if (exp * 1000 <= Date.parse(deadline)) return;
  const end = new Date(exp * 1000).toISOString();
  throw new SignatureError(
    'signature-payload-invalid',
    `The signature is good until ${end}, after the deadline ${deadline}; let it end then`,
  );
}

/** Of a definition that means the same, but was not signed in the form in which it is stored, tells what to fill in. */
function explained<T>(definition: StoredDefinition, to: Expectation, check: () => T, jws: string | undefined): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof SignatureError) || error.code !== 'definition-mismatch') throw error;
    const differing = notNormal(inspectTask(jws, to).definition, definition, to.taskId);
    if (differing === undefined) throw error;
    const fix = 'sign all that the queue would fill in, and times in milliseconds, as our client does';
    const refusal = new SignatureError(
      'signed-definition-not-normalized',
      `The definition was not signed in the form in which it is stored; it differs in ${differing.join(', ')}: ${fix}`,
      { cause: error },
    );
    refusal.claimed = error.claimed;
    throw refusal;
  }
}

/** In what a signed definition differs from its normal form, if that is the one that is to be stored. */
function notNormal(signed: Readonly<Record<string, unknown>>, stored: StoredDefinition, taskId: string): string[] | undefined {
  try {
    if (canonicalJson(normalForm(taskId, signed)) !== canonicalJson(stored)) return undefined;
  } catch {
    return undefined; // it has no normal form
  }
  const textOf = (value: unknown) => (value === undefined ? undefined : canonicalJson(value));
  return Object.entries(stored).flatMap(([name, value]) => (textOf(signed[name]) === textOf(value) ? [] : [name]));
}
