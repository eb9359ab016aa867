import type { SignatureCode } from '../../signatures/signature-error.js';

export const VERDICTS = ['verified', 'failed', 'unchecked'] as const;

/** What somebody found of the signature of a task. */
export interface FoundSignature {
  /** `failed`: it was let pass by policy `warn`, or is why the run ended. `unchecked`: nobody looked by which key it is. */
  verdict: (typeof VERDICTS)[number];
  /** What is wrong, if something is. */
  code?: SignatureCode;
  /** Whose signature it is, or says to be. */
  kid?: string;
  /** SHA-256 of what was signed, in hex. */
  payloadDigest?: string;
  /** Of the key that verified it (RFC 7638). */
  thumbprint?: string;
}

/** As what it is counted; undefined where nobody looked. */
export function countedAs({ verdict, code }: FoundSignature): 'verified' | 'failed' | 'unsigned' | undefined {
  if (verdict === 'unchecked') return undefined;
  return code === 'signature-missing' ? 'unsigned' : verdict;
}
