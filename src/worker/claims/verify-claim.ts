import { deepFrozen } from '../../signatures/json-value.js';
import type { KeySet } from '../../signatures/key-set.js';
import { assertEnvAllowed } from '../../signatures/reserved-env.js';
import { type Claimed, type SignatureCode, SignatureError } from '../../signatures/signature-error.js';
import { isCoveredByWarn, SIGNATURE_POLICIES, type SignaturePolicy, stricterOf } from '../../signatures/signature-policy.js';
import type { Definition } from '../../signatures/task-payload.js';
import { assertUnchanged, type VerifiedTask, verifyTask } from '../../signatures/verify-task.js';
import { wantedEnvironment } from '../../signatures/wanted-environment.js';
import { BegunBefore, ClaimRefused } from './claim-refused.js';
import { type QueuesWord, queuesWordOf, type Worded } from './queues-word.js';
import type { Run, SeenRuns } from './seen-runs.js';

/** What the worker knows by itself; of these none may come from the claim. */
export interface Terms {
  /** The least that is asked of a claim. The queue may ask for more. */
  policy: SignaturePolicy;
  /** Where the worker asked for work. */
  taskQueueId: string;
  audience: string;
  /** The worker's clock, unix seconds, and how far others may be from it. */
  now: number;
  skew: number;
  keySet: KeySet | undefined;
  seen: Pick<SeenRuns, 'begin' | 'assertCanBegin'>;
}

/** What may be run, and all that is needed of the claim. Frozen, and nothing of it is the claim's. */
export interface ClearedTask extends Run {
  readonly definition: Definition;
  /** `verified`: it is what was signed. `failed`: it is not, or nobody signed it, and the policy is `warn`. `unchecked`: nobody looked. */
  readonly verdict: 'verified' | 'failed' | 'unchecked';
  /** Of `failed`: why. */
  readonly code?: SignatureCode;
  /** Of `failed`: by the signature's own word. */
  readonly kid?: string;
  readonly payloadDigest?: string;
  readonly thumbprint?: string;
  readonly queue: QueuesWord;
}

type Judged = Omit<ClearedTask, keyof Run | 'queue'>;

/** The members of a claim that are looked at. Whatever the queue likes may be in them. */
interface Claim extends Worded {
  status?: { taskId?: unknown; taskQueueId?: unknown; runs?: unknown } | null;
  runId?: unknown;
  task?: unknown;
  signature?: unknown;
  signaturePolicy?: unknown;
}

/**
 * What a worker may run of what claimWork answered for one task. Nothing is to be done with a claim before; and afterwards everything with
 * what is returned, and nothing with the claim. Unless nobody looks the run is remembered as begun. Throws ClaimRefused, and nothing else.
 */
export function verifyClaim(claim: unknown, terms: Terms): ClearedTask {
  let run: Run | undefined;
  let queue: QueuesWord | undefined;
  let claimed: Claimed = {};
  try {
    const given = detached(claim);
    queue = queuesWordOf(given);
    run = runOf(given, terms);
    const { exp, ...task } = judged(given, run, terms);
    const { kid, payloadDigest } = task;
    claimed = { ...(kid !== undefined && { kid }), ...(payloadDigest !== undefined && { payloadDigest }) };
    assertEnvAllowed(wantedEnvironment(task.definition));
    const cleared = deepFrozen({ ...run, ...task, queue });
    assertFirst(run, task, exp, terms);
    return cleared;
  } catch (error) {
    throw new ClaimRefused(error, { run, queue, claimed });
  }
}

/** What must be so before a worker asks for work: otherwise it would end, one by one, runs of tasks that it cannot check. Throws if it is not. */
export function assertCanVerify({ policy, keySet, now, seen }: Pick<Terms, 'policy' | 'keySet' | 'now' | 'seen'>): void {
  seen.assertCanBegin(now);
  if (policyOf(policy) !== 'require' || (keySet && (keySet.expires === undefined || now < keySet.expires))) return;
  const what = keySet ? 'has expired; get a newer one' : 'is not there, or was never good; put one there';
  throw new SignatureError('keyset-unavailable', `No work is claimed: signatures are required, and the key set ${what}`);
}

/** What a claim says in JSON, and nothing that is shared with it. */
const detached = (claim: unknown): Claim => JSON.parse(JSON.stringify(claim)) ?? {};

/** What is not known is strict: a policy that a newer queue has, or one that was misspelt. */
const policyOf = (policy: unknown): SignaturePolicy => SIGNATURE_POLICIES.find((known) => known === policy) ?? 'require';

const TASK_ID = /^[A-Za-z0-9_-]{8}[Q-T][A-Za-z0-9_-][CGKOSWaeimquy26-][A-Za-z0-9_-]{10}[AQgw]$/;
const MOST_RUN_ID = 1000;

/** Which run the claim is of, if it says so in one way. Under any policy: a worker makes names of files and URLs of it. */
function runOf({ status, runId }: Claim, { taskQueueId }: Terms): Run {
  const refuse = (what: string) => new SignatureError('signature-context-mismatch', `The claim is not of one run: ${what}`);
  const { taskId, taskQueueId: other = taskQueueId, runs } = status ?? {};
  if (typeof taskId !== 'string' || !TASK_ID.test(taskId)) throw refuse('status.taskId is no slugid');
  if (!isRunId(runId)) throw refuse('runId is no integer from 0 to 1000');
  if (other !== taskQueueId) throw refuse(`its status names another task queue than ${taskQueueId}, where we asked`);
  if (runs !== undefined && !(Array.isArray(runs) && runs[runId]?.runId === runId)) throw refuse(`its status has no run ${runId}`);
  return { taskId, runId };
}

const isRunId = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MOST_RUN_ID;

function judged(claim: Claim, run: Run, terms: Terms): Judged & Partial<Pick<VerifiedTask, 'exp'>> {
  const asked = claim.signaturePolicy === undefined ? 'off' : policyOf(claim.signaturePolicy);
  const policy = stricterOf(policyOf(terms.policy), asked);
  if (policy === 'off') return { definition: queuesCopy(claim), verdict: 'unchecked' };
  const { taskQueueId, audience, now, skew, keySet } = terms;
  try {
    const expectation = { ...run, taskQueueId, audience, now, skew };
    const verified = verifyTask(claim.signature as string | undefined, expectation, keySet, claim.task ?? null);
    const { definition, kid, thumbprint, payloadDigest, exp } = verified;
    return { definition, verdict: 'verified', kid, thumbprint, payloadDigest, exp };
  } catch (error) {
    const { code, claimed } = error as SignatureError;
    if (policy === 'require' || !isCoveredByWarn(code)) throw error;
    if (typeof claim.signature === 'string') assertUnchanged(claim.signature, claim.task ?? null);
    return { definition: queuesCopy(claim), verdict: 'failed', code, ...claimed };
  }
}

function queuesCopy({ task }: Claim): Definition {
  if (typeof task === 'object' && task !== null && !Array.isArray(task)) return task as Definition;
  throw new SignatureError('signature-payload-invalid', 'The claim has no definition of a task');
}

/**
 * Seconds for which a run is remembered that nobody vouched for: what is not known today may be verified tomorrow. Signatures end with the
 * deadline, which is five days ahead at most by default. What the signature itself says is not believed: it would be remembered for ever.
 */
const UNVERIFIED_KEPT = 5 * 86_400;

/** Where somebody looks, a run begins once, signed or not. */
function assertFirst(run: Run, { verdict }: Judged, exp: number | undefined, { seen, now }: Terms): void {
  if (verdict === 'unchecked' || seen.begin(run, exp ?? now + UNVERIFIED_KEPT, now)) return;
  throw new BegunBefore(run);
}
