import { Injectable } from '@nestjs/common';
import { mayReplace } from '../../signatures/key-set.js';
import type { SignaturePolicy } from '../../signatures/signature-policy.js';
import { ApiError } from '../http/api-error.js';
import type { Caller } from '../http/caller.js';
import { taskQueueNames } from '../http/identifiers.js';
import { after, cut, type PageQuery, pageSize } from '../http/page.js';
import { doerOf } from '../postgres/audit-log.js';
import { Bulletin } from '../postgres/bulletin.js';
import { type Runner, Sql } from '../postgres/sql.js';
import { givenKeySet, type QueueKeySet, storedKeySet, toldKeySet } from './queue-key-set.js';
import { SignaturePolicies } from './signature-policies.js';
import type {
  SetSignaturePolicyRequest,
  SignaturePoliciesResponse,
  SignaturePolicyResponse,
  SignaturePolicySummary,
} from './signature-policy.dto.js';
import { type FoundPolicyRow, findSignaturePolicy } from './sql/find-signature-policy.js';
import { listSignaturePolicies } from './sql/list-signature-policies.js';
import { lockSignaturePolicies } from './sql/lock-signature-policies.js';
import { measureSignaturePolicies } from './sql/measure-signature-policies.js';
import type { PolicyRow } from './sql/policy-columns.js';
import { storeSignaturePolicy } from './sql/store-signature-policy.js';

/** Of all task queues together, in the memory of every process: a key takes 6 kB of it. */
const MOST = { queues: 10_000, keys: 20_000, bytes: 32 * 1024 * 1024 };

/** What a task queue is to have; the key set that is there already, if none was given. */
interface Wish {
  taskQueueId: string;
  policy: SignaturePolicy;
  keySet: QueueKeySet | undefined;
}

/** Sets and shows signature policies. Who sets one takes turns, so each decides on what is there, and none brings a revoked key back. */
@Injectable()
export class SignaturePolicyService {
  constructor(
    private readonly sql: Sql,
    private readonly policies: SignaturePolicies,
    private readonly bulletin: Bulletin,
  ) {}

  async list({ limit, token }: PageQuery): Promise<SignaturePoliciesResponse> {
    const size = pageSize(limit);
    const found = await this.sql.query(listSignaturePolicies, [after(token), size + 1]);
    const { items, ...more } = cut(found, size, ({ taskQueueId }) => [taskQueueId]);
    return { signaturePolicies: items.map(summarized), ...more };
  }

  async get(taskQueueId: string): Promise<SignaturePolicyResponse> {
    const [row] = await this.sql.query(findSignaturePolicy, [taskQueueId]);
    return described(taskQueueId, row);
  }

  async set(taskQueueId: string, { policy, keySet }: SetSignaturePolicyRequest, caller: Caller): Promise<SignaturePolicyResponse> {
    const given = keySet && givenKeySet(keySet);
    const row = await this.sql.transaction(async (runner) => {
      const [turn] = await runner.query(lockSignaturePolicies);
      const [former] = await runner.query(findSignaturePolicy, [taskQueueId]);
      const stored = former && storedKeySet(former);
      if (given && stored) assertMayReplace(taskQueueId, stored, given);
      const wish = { taskQueueId, policy, keySet: given ?? stored };
      const isNewSet = wish.keySet?.digest !== stored?.digest;
      if (policy === policyOf(former) && !isNewSet) return former;
      assertGood(wish, isNewSet, turn?.now as number);
      await assertRoom(runner, wish, former);
      return store(runner, wish, former, caller);
    });
    this.bulletin.signaturePoliciesChanged();
    await this.policies.refresh();
    return described(taskQueueId, row);
  }
}

async function store(
  runner: Runner,
  { taskQueueId, policy, keySet }: Wish,
  former: PolicyRow | undefined,
  caller: Caller,
): Promise<FoundPolicyRow | undefined> {
  const told = JSON.stringify({ taskQueueId, policy, former: policyOf(former), ...(keySet && toldKeySet(keySet)) });
  const { text, version, digest, kids } = keySet ?? {};
  const parameters = [taskQueueId, policy, text, version, digest, kids?.length, told, ...doerOf(caller)];
  const [row] = await runner.query(storeSignaturePolicy, parameters);
  return row;
}

function policyOf(row: PolicyRow | undefined): SignaturePolicy {
  return row?.policy ?? 'off';
}

function assertMayReplace(taskQueueId: string, stored: QueueKeySet, given: QueueKeySet): void {
  if (mayReplace(stored, given)) return;
  const there = `Task queue ${taskQueueId} has version ${stored.version} of its key set, with digest ${stored.digest}`;
  const other = given.version === stored.version ? 'another key set of that version' : `version ${given.version}`;
  throw new ApiError(
    'RequestConflict',
    `${there}; ${other} cannot take its place, or a key that was revoked could come back. Change that one, and give it a greater version`,
  );
}

/** `warn` needs no keys: it shows what is not signed. */
function assertGood({ policy, keySet }: Wish, isNewSet: boolean, now: number): void {
  if (policy === 'require' && !keySet)
    throw new ApiError('InputError', 'policy require needs a key set, or no task could be created; send keySet, too');
  if (keySet?.expires === undefined || keySet.expires > now || (!isNewSet && policy !== 'require')) return;
  const at = new Date(keySet.expires * 1000).toISOString();
  throw new ApiError(
    'InputError',
    `The key set expired at ${at}, so nobody would be believed; send a keySet of a later version and expires`,
  );
}

async function assertRoom(runner: Runner, { taskQueueId, keySet }: Wish, former: PolicyRow | undefined): Promise<void> {
  const [others] = await runner.query(measureSignaturePolicies, [taskQueueId]);
  if (!others) return;
  const full = (what: string) => new ApiError('RequestConflict', `${what}; shorten key sets of others first`);
  if (!former && others.queues >= MOST.queues)
    throw new ApiError('RequestConflict', `${MOST.queues} task queues have a signature policy already; only those can be changed`);
  if (!keySet) return;
  if (others.keys + keySet.kids.length > MOST.keys) throw full(`All key sets together may have ${MOST.keys} keys`);
  if (others.bytes + Buffer.byteLength(keySet.text) > MOST.bytes) throw full(`All key sets together may have ${MOST.bytes} bytes`);
}

function described(taskQueueId: string, row: FoundPolicyRow | undefined): SignaturePolicyResponse {
  if (!row) return { ...taskQueueNames(taskQueueId), policy: 'off' };
  const { policy, keySet, keySetDigest } = row;
  return {
    ...taskQueueNames(taskQueueId),
    policy,
    ...(keySet !== null && { keySet: JSON.parse(keySet) }),
    ...(keySetDigest !== null && { keySetDigest }),
    ...updateOf(row),
  };
}

function summarized(row: PolicyRow): SignaturePolicySummary {
  const { taskQueueId, policy, keySetVersion, keySetDigest, keySetKeys } = row;
  return {
    ...taskQueueNames(taskQueueId),
    policy,
    ...(keySetVersion !== null && { keySetVersion }),
    ...(keySetDigest !== null && { keySetDigest }),
    ...(keySetKeys !== null && { keys: keySetKeys }),
    ...updateOf(row),
  };
}

function updateOf({ updated, updatedBy }: PolicyRow): { updated: string; updatedBy?: string } {
  return { updated: updated.toISOString(), ...(updatedBy !== null && { updatedBy }) };
}
