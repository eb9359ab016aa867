import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { canonicalJson } from '../../signatures/canonical-json.js';
import { generateKey } from '../../signatures/generate-key.js';
import { type KeySet, readKeySet } from '../../signatures/key-set.js';
import { signerOf } from '../../signatures/signer.js';
import { opened, sealed } from './envelope.js';
import { makeReceipt } from './make-receipt.js';
import { ReceiptError } from './receipt-error.js';
import type { RunFacts } from './run-facts.js';
import { statementOf } from './statement.js';
import { verifyReceipt } from './verify-receipt.js';

const NOW = 1_800_000_000;
const at = (seconds: number) => new Date((NOW + seconds) * 1000).toISOString();
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const WORKER = generateKey('EdDSA', { kid: 'worker' });
const SIGNER = signerOf(WORKER.privateJwk);

const keySet = (terms: object = {}, set: object = {}): KeySet =>
  readKeySet(JSON.stringify({ version: 1, ...set, keys: [{ ...WORKER.publicJwk, ...terms }] }));
const KEYS = keySet();

const FACTS: RunFacts = {
  taskId: 'fN1SbArXTPSVFNUvaOlinQ',
  runId: 2,
  taskQueueId: 'builds/linux',
  definition: { taskQueueId: 'builds/linux', scopes: ['secrets:get:build'], payload: { version: 1, steps: [] } },
  verdict: { verdict: 'verified', kid: 'creator', thumbprint: 'tp', payloadDigest: sha256('signed') },
  worker: { group: 'group', id: 'w/1', version: '0.1.0' },
  isolation: 'bubblewrap',
  startedAt: at(-60),
  finishedAt: at(-10),
  outcome: {
    outcome: 'succeeded',
    steps: [
      {
        ...{ name: 'make', reason: 'Completed', exitCode: 0, startedAt: at(-60), finishedAt: at(-10), network: 'none', workspace: 'rw' },
        ...{ results: { version: '1.0', all: ['a', 'b'] }, missing: { size: 'it is not there' }, output: { bytes: 10, dropped: 3 } },
      },
      {
        ...{ name: 'tell', reason: 'Skipped', exitCode: 0, network: 'proxy', workspace: 'ro' },
        ...{ results: {}, missing: {}, output: { bytes: 0, dropped: 0 } },
      },
    ],
    results: { version: { step: 'make', value: '1.0' }, all: { step: 'make', value: ['a', 'b'] } },
  },
  artifacts: [{ name: 'public/build.zip', sha256: sha256('zip'), bytes: 3 }],
  log: { name: 'public/logs/live.log', sha256: sha256('log'), bytes: 7, dropped: 3 },
  scopes: { asked: ['secrets:get:build'], used: [] },
};

const signed = (statement: unknown) => sealed(Buffer.from(canonicalJson(statement)), SIGNER);

function refusal(bundle: unknown, keys = KEYS, now = NOW): ReceiptError {
  try {
    verifyReceipt(bundle, keys, now);
  } catch (error) {
    if (error instanceof ReceiptError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('a statement', () => {
  it('is one of in-toto with the provenance of SLSA, and says each thing where others look for it', () => {
    const { predicate, ...statement } = statementOf(FACTS);
    expect(statement).toEqual({
      _type: 'https://in-toto.io/Statement/v1',
      predicateType: 'https://slsa.dev/provenance/v1',
      subject: [
        { name: 'public/build.zip', digest: { sha256: sha256('zip') }, annotations: { bytes: 3 } },
        { name: 'public/logs/live.log', digest: { sha256: sha256('log') }, annotations: { bytes: 7, dropped: 3 } },
      ],
    });
    const definition = { sha256: sha256(canonicalJson(FACTS.definition)) };
    expect(predicate.buildDefinition).toMatchObject({
      externalParameters: { taskId: FACTS.taskId, runId: 2, taskQueueId: 'builds/linux', definition, payloadVersion: 1 },
      resolvedDependencies: [{ uri: `urn:leasehold:task:${FACTS.taskId}`, digest: definition }],
    });
    expect(predicate.buildDefinition.internalParameters).toMatchObject({
      ...{ isolation: 'bubblewrap', signature: FACTS.verdict, scopes: FACTS.scopes, outcome: 'succeeded', results: FACTS.outcome.results },
      steps: [
        { name: 'make', results: { version: { sha256: sha256('"1.0"') }, all: { sha256: sha256('["a","b"]') } }, missing: ['size'] },
        { name: 'tell', reason: 'Skipped', results: {}, missing: [] },
      ],
    });
    expect(predicate.runDetails).toEqual({
      builder: { id: 'urn:leasehold:worker:group/w%2F1', version: { leasehold: '0.1.0' } },
      metadata: { invocationId: `${FACTS.taskId}/2`, startedOn: at(-60), finishedOn: at(-10) },
      byproducts: [
        { name: 'public/logs/live.log', digest: { sha256: sha256('log') } },
        { name: 'results', digest: { sha256: sha256(canonicalJson(FACTS.outcome.results)) } },
      ],
    });
  });

  it.each([{ payload: null }, { payload: { version: '1' } }, {}])('has no version of a payload without one: %j', (definition) => {
    const { externalParameters } = statementOf({ ...FACTS, definition }).predicate.buildDefinition;
    expect(externalParameters).not.toHaveProperty('payloadVersion');
  });
});

describe('a receipt', () => {
  it('that a known key has signed tells what was stated, and nobody can change it', async () => {
    const receipt = verifyReceipt(JSON.parse(JSON.stringify(await makeReceipt(FACTS, SIGNER))), keySet({ owner: 'the builders' }), NOW);
    expect(receipt).toEqual({
      ...{ statement: JSON.parse(JSON.stringify(statementOf(FACTS))), kid: 'worker', alg: 'EdDSA', owner: 'the builders' },
      thumbprint: KEYS.keys.worker!.thumbprint,
    });
    expect(() => Object.assign(receipt.statement.subject[0]!.digest, { sha256: '' })).toThrow(TypeError);
  });

  it('(26) has nothing of the key in it', async () => {
    const bundle = await makeReceipt(FACTS, SIGNER);
    const all = `${JSON.stringify(bundle)}${opened(bundle).payload}`;
    const { d } = WORKER.privateJwk as { d: string };
    for (const secret of [d, Buffer.from(d, 'base64url').toString('base64'), Buffer.from(d, 'base64url').toString('hex')])
      expect(all).not.toContain(secret);
  });

  it('of which any byte is another one is refused', async () => {
    const bundle = await makeReceipt(FACTS, SIGNER);
    const { payload } = opened(bundle);
    fc.assert(
      fc.property(fc.nat(payload.length - 1), fc.integer({ min: 1, max: 255 }), (index, change) => {
        const altered = Buffer.from(payload);
        altered[index]! ^= change;
        const dsseEnvelope = { ...bundle.dsseEnvelope, payload: altered.toString('base64') };
        expect(refusal({ ...bundle, dsseEnvelope }).code).toBe('receipt-invalid');
      }),
      { numRuns: 500 },
    );
  });

  it.each<[string, object, object, number]>([
    ['receipt-unknown-key', { kid: 'other' }, {}, NOW],
    ['receipt-invalid', { x: generateKey('EdDSA').publicJwk.x }, {}, NOW],
    ['receipt-key-not-valid', { revoked: true }, {}, NOW],
    ['receipt-key-not-valid', { exp: NOW - 70 }, {}, NOW],
    ['receipt-key-not-valid', { nbf: NOW + 51 }, {}, NOW],
    ['receipt-key-not-allowed', { taskQueues: ['builds/windows', 'tests/*'] }, {}, NOW],
    ['receipt-not-yet-valid', {}, {}, NOW - 71],
    ['keyset-unavailable', {}, { expires: NOW - 60 }, NOW],
  ])('is refused with %s by a key with %j, in a set with %j', async (code, terms, set, now) => {
    expect(refusal(await makeReceipt(FACTS, SIGNER), keySet(terms, set), now).code).toBe(code);
  });

  it.each<[object, object, number]>([
    [{ exp: NOW - 69 }, {}, NOW],
    [{ exp: NOW, nbf: NOW - 100 }, {}, NOW + 1e8],
    [{ nbf: NOW + 50 }, {}, NOW],
    [{ taskQueues: ['builds/*'] }, { expires: NOW - 59 }, NOW],
    [{}, {}, NOW - 70],
  ])('is taken by a key with %j, in a set with %j: it was valid when the run ended', async (terms, set, now) => {
    expect(verifyReceipt(await makeReceipt(FACTS, SIGNER), keySet(terms, set), now).kid).toBe('worker');
  });

  it('is not made of facts that nobody would take', async () => {
    const twice = { ...FACTS, artifacts: [FACTS.artifacts[0]!, FACTS.artifacts[0]!] };
    await expect(makeReceipt(twice, SIGNER)).rejects.toThrow(/^receipt-statement-invalid: .*two subjects have one name/);
    const many = Array.from({ length: 50_000 }, (_, index) => ({ name: `public/${index}`, sha256: sha256(''), bytes: 0 }));
    await expect(makeReceipt({ ...FACTS, artifacts: many }, SIGNER)).rejects.toThrow(
      /^receipt-statement-invalid: .*more than 200000 values/,
    );
    expect((await makeReceipt({ ...FACTS, artifacts: many.slice(0, 20_000) }, SIGNER)).mediaType).toContain('sigstore');
  });
});

describe('what a known key has signed', () => {
  const statement = () => JSON.parse(JSON.stringify(statementOf(FACTS)));

  it.each<[string, (given: ReturnType<typeof statement>) => void, RegExp]>([
    [
      'of another type',
      (s) => {
        s._type = 'https://in-toto.io/Statement/v0.1';
      },
      /_type must be equal to constant/,
    ],
    [
      'of another kind',
      (s) => {
        s.predicate.buildDefinition.buildType = 'urn:leasehold:run:2';
      },
      /buildType must be equal/,
    ],
    [
      'without subjects',
      (s) => {
        s.subject = [];
      },
      /subject must NOT have fewer than 1 items/,
    ],
    [
      'with no digest',
      (s) => {
        s.subject[0].digest = { sha256: 'x' };
      },
      /subject\/0\/digest\/sha256 must match/,
    ],
    [
      'with a time that is none',
      (s) => {
        s.predicate.runDetails.metadata.finishedOn = 'yesterday';
      },
      /finishedOn must match format/,
    ],
    [
      'with an outcome that is none',
      (s) => {
        s.predicate.buildDefinition.internalParameters.outcome = 'good';
      },
      /outcome must be equal to one of/,
    ],
    [
      'of two runs',
      (s) => {
        s.predicate.runDetails.metadata.invocationId = 'other/0';
      },
      /invocationId is not that run/,
    ],
    [
      'of two definitions',
      (s) => {
        s.predicate.buildDefinition.resolvedDependencies[0].digest.sha256 = sha256('');
      },
      /is not that definition/,
    ],
    [
      'with two logs',
      (s) => {
        s.predicate.runDetails.byproducts[0].digest.sha256 = sha256('');
      },
      /log among the byproducts is no subject/,
    ],
    [
      'with other results among the byproducts',
      (s) => {
        s.predicate.runDetails.byproducts[1].digest.sha256 = sha256('');
      },
      /two kinds of results/,
    ],
  ])('%s is no statement of a run', async (_, change, why) => {
    const given = statement();
    change(given);
    expect(refusal(await signed(given))).toMatchObject({ code: 'receipt-statement-invalid', detail: expect.stringMatching(why) });
  });

  it.each<[string, Buffer, RegExp]>([
    ['no JSON', Buffer.from('{'), /not JSON in UTF-8/],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), /not JSON in UTF-8/],
    ['another spelling of JSON', Buffer.from(JSON.stringify(statementOf(FACTS), null, 1)), /not in its canonical form/],
    ['one name twice', Buffer.from('{"_type":1,"_type":2}'), /not in its canonical form/],
    ['too deep', Buffer.from(`${'['.repeat(1e6)}${']'.repeat(1e6)}`), /nested deeper than 100 levels/],
    ['too much', Buffer.from(`[${'0,'.repeat(2e5)}0]`), /more than 200000 values/],
    ['null', Buffer.from('null'), /it must be object/],
  ])('%s is none, either', async (_, payload, why) => {
    const refused = refusal(await sealed(payload, SIGNER));
    expect(refused).toMatchObject({ code: 'receipt-statement-invalid', detail: expect.stringMatching(why) });
  });

  it('may have members that a later worker states', async () => {
    const given = statement();
    given.predicate.buildDefinition.internalParameters.moon = 'full';
    expect(verifyReceipt(await signed(given), KEYS, NOW).statement).toEqual(given);
  });

  it('is told of without its values', async () => {
    const given = statement();
    given.predicate.buildDefinition.internalParameters.results.version = { step: 'make', value: 42, hunter2: 'hunter2' };
    given.subject[0].digest.sha256 = 'hunter2';
    expect(refusal(await signed(given)).message).not.toContain('hunter2');
  });
});
