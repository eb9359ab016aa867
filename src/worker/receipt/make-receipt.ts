import { canonicalJson } from '../../signatures/canonical-json.js';
import type { TaskSigner } from '../../signatures/signer.js';
import { type Bundle, sealed } from './envelope.js';
import { readStatement } from './read-statement.js';
import type { RunFacts } from './run-facts.js';
import { statementOf } from './statement.js';

/**
 * The receipt of a run: what is stated of it, signed. To be uploaded as JSON (`application/vnd.dev.sigstore.bundle.v0.3+json`) before the
 * run is reported. Throws ReceiptError where nobody would take what came of it.
 */
export async function makeReceipt(facts: RunFacts, key: TaskSigner): Promise<Bundle> {
  const payload = Buffer.from(canonicalJson(statementOf(facts)));
  readStatement(payload);
  return sealed(payload, key);
}
