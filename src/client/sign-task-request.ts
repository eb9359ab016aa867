import { normalForm } from '../signatures/normal-form.js';
import { assertEnvAllowed } from '../signatures/reserved-env.js';
import { signTask } from '../signatures/sign-task.js';
import type { TaskSigner } from '../signatures/signer.js';
import { contextFor, type SigningTerms } from '../signatures/signing-context.js';
import { inspectTask } from '../signatures/verify-task.js';
import { wantedEnvironment } from '../signatures/wanted-environment.js';
import type { components } from './types.js';

/** What createTask takes where nothing is signed. */
export type TaskRequest = Omit<components['schemas']['CreateTaskRequest'], 'signature'>;
export type SignedTaskRequest = TaskRequest & { signature: string };

export interface SigningRequest extends Omit<SigningTerms, 'taskQueueId' | 'now'> {
  definition: TaskRequest;
  /** The clock, in unix seconds. By default this machine's. */
  now?: number | undefined;
}

/**
 * The body for createTask: the definition in its normal form, which is the one that a queue takes when it is signed, and the signature over
 * that. The signer may be a file's key (`signerOf`) or a KMS. Throws NormalFormError or SignatureError, whose messages name what is wrong:
 * also a reserved variable, with which no worker would run it. The queue would take that, for it knows nothing of payloads.
 */
export async function signTaskRequest(signer: TaskSigner, request: SigningRequest): Promise<SignedTaskRequest> {
  const { audience, taskId, expires, maxRuns, now = Math.floor(Date.now() / 1000) } = request;
  const normal = normalForm(taskId, request.definition);
  assertEnvAllowed(wantedEnvironment(normal));
  const context = contextFor(normal, { audience, taskId, now, expires, maxRuns });
  const signature = await signTask(signer, context, normal);
  // read back: who changes the given objects while a KMS signs would send another definition than the signed one
  const { definition } = inspectTask(signature, { ...context, runId: 0, now, skew: 0 });
  return { ...(definition as TaskRequest), signature };
}
