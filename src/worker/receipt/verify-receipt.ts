import { deepFrozen } from '../../signatures/json-value.js';
import type { KeySet } from '../../signatures/key-set.js';
import { keyStateAt, signsFor, type VerificationKey } from '../../signatures/verification-key.js';
import { assertReceiptAlg, opened, verifiesPayload } from './envelope.js';
import { readStatement } from './read-statement.js';
import { ReceiptError } from './receipt-error.js';
import type { Statement } from './statement.js';

/** What a worker whose key is believed has stated of a run, and by which key. Frozen to the ground. */
export interface Receipt {
  readonly statement: Statement;
  readonly kid: string;
  readonly alg: VerificationKey['alg'];
  /** The key's, RFC 7638. */
  readonly thumbprint: string;
  /** Of the key, in words. */
  readonly owner?: string;
}

/** Seconds by which clocks may differ. */
const SKEW = 60;

/**
 * The receipt that a bundle is, if a key of the set has signed it, and may sign for that task queue. The key must have been valid when the
 * run ended, by the receipt's own word, and need not be any more: receipts are looked at long after. One that is revoked has signed nothing.
 * `now` in unix seconds. Throws ReceiptError, and never anything else.
 */
export function verifyReceipt(bundle: unknown, keySet: KeySet, now: number): Receipt {
  const { kid, payload, signature } = opened(bundle);
  const key = keyOf(keySet, kid, now);
  if (!verifiesPayload(key, payload, signature))
    throw new ReceiptError('receipt-invalid', `The signature is not one of key ${kid} over that receipt`);
  const statement = readStatement(payload);
  assertTimely(statement, key, now);
  const { taskQueueId } = statement.predicate.buildDefinition.externalParameters;
  if (!signsFor(key, taskQueueId))
    throw new ReceiptError('receipt-key-not-allowed', `Key ${kid} may not sign for task queue ${taskQueueId}`);
  const { alg, thumbprint, owner } = key;
  return deepFrozen({ statement, kid, alg, thumbprint, ...(owner !== undefined && { owner }) });
}

function keyOf({ keys, version, expires }: KeySet, kid: string, now: number): VerificationKey {
  if (expires !== undefined && now - SKEW >= expires)
    throw new ReceiptError('keyset-unavailable', `The key set expired at ${shown(expires)}; get a newer one`);
  const key = keys[kid];
  if (!key) throw new ReceiptError('receipt-unknown-key', `The key set (version ${version}) has no key ${kid}`);
  if (key.revoked) throw new ReceiptError('receipt-key-not-valid', `Key ${kid} is revoked; whoever has it can have made that receipt`);
  assertReceiptAlg(key, kid);
  return key;
}

function assertTimely({ predicate }: Statement, key: VerificationKey, now: number): void {
  const { finishedOn } = predicate.runDetails.metadata;
  const finished = Math.floor(Date.parse(finishedOn) / 1000);
  if (finished - SKEW > now)
    throw new ReceiptError('receipt-not-yet-valid', `The run ended at ${finishedOn}; the clock of this machine says ${shown(now)}`);
  const state = keyStateAt(key, finished, SKEW);
  if (state !== 'valid')
    throw new ReceiptError('receipt-key-not-valid', `When the run ended, at ${finishedOn}, key ${key.kid} was ${state}`);
}

const shown = (seconds: number) => new Date(seconds * 1000).toISOString();
