import type { SignaturePolicy } from '../../../signatures/signature-policy.js';
import type { ClaimedRow } from '../sql/claim-runs.js';
import type { TaskClaim, TaskReclaim } from '../task.dto.js';
import { shownDefinition } from '../task-definition.js';

/** What a worker is told of a run that it holds now: what it was lent, the task, the signature to verify that by, and how strict to be at least. */
export function taskClaim(lent: TaskReclaim, { definition, rank, jws }: ClaimedRow, policy: SignaturePolicy): TaskClaim {
  return {
    ...lent,
    task: shownDefinition({ definition, rank, isSigned: jws !== null }),
    ...(jws !== null && { signature: jws }),
    ...(policy !== 'off' && { signaturePolicy: policy }),
  };
}
