import { SIGNATURE_CODES, type SignatureCode } from '../../signatures/signature-error.js';
import { KID_PATTERN } from '../../signatures/verification-key.js';
import { OneOf, Text } from '../http/shape.js';
import { type FoundSignature, VERDICTS } from './signature-verdict.js';

const HEX_SHA256 = { pattern: /^[0-9a-f]{64}$/, description: 'a SHA-256 as 64 hexadecimal digits' };
const KID = { pattern: KID_PATTERN, description: 'the kid of a key: 1 to 128 printable ASCII characters' };
const THUMBPRINT = { pattern: /^[A-Za-z0-9_-]{43}$/, description: 'the thumbprint of a key (RFC 7638): 43 characters' };

/** What a signature says it is of. */
class SignatureNames {
  @Text({ rule: KID, optional: true, description: 'Whose signature it says it is' })
  kid?: string;

  @Text({ rule: HEX_SHA256, optional: true, description: 'SHA-256 of what was signed, in hex' })
  payloadDigest?: string;
}

/** Why a worker does not run a task. */
export class SignatureRefusal extends SignatureNames {
  @OneOf(SIGNATURE_CODES, { description: 'What is wrong' })
  code!: SignatureCode;
}

/** What somebody found of the signature of a task. */
export class SignatureVerdict extends SignatureNames implements FoundSignature {
  @OneOf(VERDICTS, {
    description:
      'failed: it ran, or was created, all the same, because the policy is `warn`; or the run ended by it. unchecked: the policy is `off`',
  })
  verdict!: FoundSignature['verdict'];

  @OneOf(SIGNATURE_CODES, { optional: true, description: 'What is wrong with it, if something is' })
  code?: SignatureCode;

  @Text({ rule: THUMBPRINT, optional: true, description: 'Of the key that verified it' })
  thumbprint?: string;
}

export class TaskSignatureResponse {
  @Text({ description: 'The compact JWS under which the task was created' })
  signature!: string;
}
