import { SIGNATURE_POLICIES, type SignaturePolicy } from '../../signatures/signature-policy.js';
import { Page } from '../http/page.dto.js';
import { Integer, JsonObject, NestedList, OneOf, Text, Timestamp } from '../http/shape.js';
import { TaskQueueName } from '../http/task-queue-name.dto.js';

const POLICY = {
  description:
    'What becomes of a task whose signature is missing or not good: nobody looks; it runs and is marked; it is refused. A definition that is not the one that was signed is refused by `warn`, too',
};
const KEY_SET = { optional: true, description: 'Whose signatures are believed: a JWKS (RFC 7517) of public keys with a `version`' };
const DIGEST = { optional: true, description: 'SHA-256 of the canonical JSON of the key set, in hex' };
const UPDATED = { optional: true, description: 'When it was changed last; absent: nobody has ever set it' };
const UPDATED_BY = { optional: true, description: 'Who changed it last; absent: somebody without credentials' };

export class SetSignaturePolicyRequest {
  @OneOf(SIGNATURE_POLICIES, POLICY)
  policy!: SignaturePolicy;

  @JsonObject({ ...KEY_SET, description: `${KEY_SET.description}. Absent: the one that is there stays` })
  keySet?: Record<string, unknown>;
}

export class SignaturePolicyResponse extends TaskQueueName {
  @OneOf(SIGNATURE_POLICIES, POLICY)
  policy!: SignaturePolicy;

  @JsonObject(KEY_SET)
  keySet?: Record<string, unknown>;

  @Text(DIGEST)
  keySetDigest?: string;

  @Timestamp(UPDATED)
  updated?: string;

  @Text(UPDATED_BY)
  updatedBy?: string;
}

export class SignaturePolicySummary extends TaskQueueName {
  @OneOf(SIGNATURE_POLICIES, POLICY)
  policy!: SignaturePolicy;

  @Integer({ minimum: 1, optional: true, description: 'Absent, as all that is told of it: there is no key set' })
  keySetVersion?: number;

  @Text(DIGEST)
  keySetDigest?: string;

  @Integer({ minimum: 1, optional: true, description: 'How many keys are in the key set' })
  keys?: number;

  @Timestamp()
  updated!: string;

  @Text(UPDATED_BY)
  updatedBy?: string;
}

export class SignaturePoliciesResponse extends Page {
  @NestedList(() => SignaturePolicySummary)
  signaturePolicies!: SignaturePolicySummary[];
}
