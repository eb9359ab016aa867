import { canonicalJson } from './canonical-json.js';
import { compactJws, signingInput } from './compact-jws.js';
import { SignatureError } from './signature-error.js';
import type { TaskSigner } from './signer.js';
import { type Definition, payloadOf, payloadProblem, type SigningContext } from './task-payload.js';

/** Bytes, of both algorithms that we sign by. */
const SIGNATURE_BYTES = 64;

/**
 * The signature over a whole definition and what it is for: a compact JWS that carries them. The definition is signed as it is given; a
 * queue that would fill in what it leaves out has to refuse it. Throws SignatureError where no verifier would take what came of it.
 */
export async function signTask(signer: TaskSigner, context: SigningContext, definition: Definition): Promise<string> {
  const payload = payloadOf(context, definition);
  const problem = payloadProblem(payload);
  if (problem !== undefined) throw new SignatureError('signature-payload-invalid', `The task cannot be signed: ${problem}`);
  const input = signingInput(signer, canonicalJson(payload));
  const signature = await signer.sign(Buffer.from(input));
  if (signature.length !== SIGNATURE_BYTES)
    throw new SignatureError(
      'signature-check-error',
      `The signer answered ${signature.length} bytes; ${signer.alg} has ${SIGNATURE_BYTES} (no DER)`,
    );
  return compactJws(input, signature);
}
