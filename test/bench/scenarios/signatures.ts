import { SIGNING_ALGS, type SigningAlg } from '../../../src/signatures/algorithms.js';
import { generateKey } from '../../../src/signatures/generate-key.js';
import { readKeySet } from '../../../src/signatures/key-set.js';
import { signTask } from '../../../src/signatures/sign-task.js';
import { signerOf } from '../../../src/signatures/signer.js';
import { verifyTask } from '../../../src/signatures/verify-task.js';
import type { Row } from '../row.js';
import type { Scenario } from './scenario.js';

const BYTES = 2048;
const WARM_UP = 1_000;
const NOW = 1_800_000_000;
const CONTEXT = { audience: 'bench', taskId: 'fN1SbArXTPSVFNUvaOlinQ', taskQueueId: 'bench/linux', iat: NOW, exp: NOW + 60, maxRuns: 1 };

/** What it costs to sign a definition of 2 kB and to verify it, one after the other in one process, with keys that are read once. */
export const signatures: Scenario = {
  name: 'signatures',
  async run({ options }, progress) {
    const count = options.quick ? 2_000 : 10_000;
    const rows: Row[] = [];
    for (const alg of SIGNING_ALGS) {
      progress(`${alg}, ${count} each`);
      rows.push(...(await measured(alg, count)));
    }
    return rows;
  },
};

async function measured(alg: SigningAlg, count: number): Promise<Row[]> {
  const { privateJwk, publicJwk } = generateKey(alg);
  const [signer, keySet] = [signerOf(privateJwk), readKeySet(JSON.stringify({ version: 1, keys: [publicJwk] }))];
  const definition = definitionOf(BYTES);
  const jws = await signTask(signer, CONTEXT, definition);
  const expectation = { ...CONTEXT, runId: 0, now: NOW, skew: 0 };
  return [
    await row(`${alg}: sign`, count, () => signTask(signer, CONTEXT, definition)),
    await row(`${alg}: verify`, count, () => verifyTask(jws, expectation, keySet)),
    await row(`${alg}: verify, and compare with a copy`, count, () => verifyTask(jws, expectation, keySet, definition)),
  ];
}

/** Of so many bytes as JSON, and in shape like that of a real task. */
function definitionOf(bytes: number): Record<string, unknown> {
  const words = (count: number) => Array.from({ length: count }, (_, n) => `argument-${n}`);
  const definition = {
    taskQueueId: CONTEXT.taskQueueId,
    scopes: words(20),
    payload: { command: words(40), env: { FOO: 'bar' } },
    extra: '',
  };
  definition.extra = 'x'.repeat(bytes - JSON.stringify(definition).length);
  return definition;
}

async function row(what: string, count: number, work: () => unknown): Promise<Row> {
  for (let warm = 0; warm < WARM_UP; warm++) await work();
  const times: number[] = [];
  for (let nth = 0; nth < count; nth++) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => Math.round(times[Math.floor(share * (times.length - 1))]! * 1000);
  return { scenario: 'signatures', what, 'p50 µs': at(0.5), 'p99 µs': at(0.99) };
}
