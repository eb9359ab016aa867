import { generateKey, type KeyTerms } from '../../src/signatures/generate-key.js';
import { type KeySet, readKeySet } from '../../src/signatures/key-set.js';
import { normalForm } from '../../src/signatures/normal-form.js';
import { signTask } from '../../src/signatures/sign-task.js';
import { signerOf } from '../../src/signatures/signer.js';
import type { Definition, SigningContext } from '../../src/signatures/task-payload.js';
import { type Api, definition, slugid } from './api.js';
import { ok } from './tasks.js';

type Fields = Record<string, unknown>;

/** A key of a creator, who signs tasks for one deployment. */
export class Creator {
  private readonly key;

  constructor(
    readonly audience: string,
    readonly kid = 'creator',
    alg: 'EdDSA' | 'ES256' = 'EdDSA',
    terms: KeyTerms = {},
  ) {
    this.key = generateKey(alg, { ...terms, kid });
  }

  get publicJwk(): Fields {
    return this.key.publicJwk as Fields;
  }

  /** The definition in normal form, and the signature over it. */
  async signed(overrides: Fields = {}, context: Partial<SigningContext> = {}): Promise<{ taskId: string; body: Fields; jws: string }> {
    const taskId = context.taskId ?? slugid();
    const body = normalForm(taskId, definition(overrides));
    return { taskId, body, jws: await this.sign(taskId, body, context) };
  }

  /** Just this definition. */
  sign(taskId: string, body: Definition, context: Partial<SigningContext> = {}): Promise<string> {
    const iat = Math.floor(Date.now() / 1000);
    const exp = Math.floor(Date.parse(String(body.deadline)) / 1000);
    const of = { audience: this.audience, taskId, taskQueueId: String(body.taskQueueId), iat, exp, maxRuns: 6 };
    return signTask(signerOf(this.key.privateJwk), { ...of, ...context }, body);
  }
}

/** A task queue that nobody else has. */
export function newQueue(): string {
  return `signed/${`q${slugid()}`.toLowerCase().replace(/[-_]/g, 'x')}`;
}

export function keySetJson(version: number, ...creators: { publicJwk: Fields }[]): Fields {
  return { version, keys: creators.map(({ publicJwk }) => publicJwk) };
}

export function keySetOf(...creators: { publicJwk: Fields }[]): KeySet {
  return readKeySet(JSON.stringify(keySetJson(1, ...creators)));
}

export async function setPolicy(api: Api, taskQueueId: string, policy: string, keySet?: Fields): Promise<void> {
  await ok(api.put(`/queue/v1/task-queues/${encodeURIComponent(taskQueueId)}/signature-policy`, { policy, ...(keySet && { keySet }) }));
}
