import { createPublicKey, type JsonWebKeyInput, verify } from 'node:crypto';
import fc from 'fast-check';
import { publicKeyOf, SIGNING_ALGS } from '../../signatures/algorithms.js';
import { generateKey } from '../../signatures/generate-key.js';
import { signerOf } from '../../signatures/signer.js';
import { type Bundle, MOST_BYTES, opened, preAuthEncoding, sealed, verifiesPayload } from './envelope.js';
import { ReceiptError } from './receipt-error.js';

const KEYS = SIGNING_ALGS.map((alg) => {
  const { privateJwk, publicJwk } = generateKey(alg, { kid: alg });
  return { alg, signer: signerOf(privateJwk), publicKey: publicKeyOf(alg, publicJwk), publicJwk };
});

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof ReceiptError) return error.code;
    throw error;
  }
  return 'good';
};

it('what is signed begins with its type and its lengths (DSSE)', () => {
  expect(preAuthEncoding(Buffer.from('hé')).toString()).toBe('DSSEv1 28 application/vnd.in-toto+json 3 hé');
});

describe.each(KEYS)('by $alg', ({ signer, publicKey, publicJwk }) => {
  const isGood = (bundle: unknown) => {
    const { payload, signature } = opened(bundle);
    return verifiesPayload(publicKey, payload, signature);
  };

  it('what was sealed is opened again, and its signature is good, also for who has never heard of us', async () => {
    const key = createPublicKey({ key: publicJwk as JsonWebKeyInput['key'], format: 'jwk' });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (payload) => {
        const bundle = JSON.parse(JSON.stringify(await sealed(payload, signer)));
        const { kid, payload: read, signature } = opened(bundle);
        expect([kid, read.equals(payload), isGood(bundle)]).toEqual([signer.kid, true, true]);
        expect(verify(undefined, preAuthEncoding(payload), key, signature)).toBe(true); // ECDSA as DER
      }),
    );
  });

  it('no payload that differs in a bit, and no signature that does, is good', async () => {
    const payload = Buffer.from(JSON.stringify({ a: 'receipt', of: ['a', 'run'] }));
    const bundle = await sealed(payload, signer);
    const signature = Buffer.from(bundle.dsseEnvelope.signatures[0].sig, 'base64');
    const flipped = (bytes: Buffer, bit: number) => {
      const copy = Buffer.from(bytes);
      copy[bit >> 3]! ^= 1 << (bit & 7);
      return copy;
    };
    for (let bit = 0; bit < payload.length * 8; bit++) expect(verifiesPayload(publicKey, flipped(payload, bit), signature)).toBe(false);
    for (let bit = 0; bit < signature.length * 8; bit++) expect(verifiesPayload(publicKey, payload, flipped(signature, bit))).toBe(false);
    for (const other of [payload.subarray(1), payload.subarray(0, -1), Buffer.concat([payload, payload])])
      expect(verifiesPayload(publicKey, other, signature)).toBe(false);
    for (const other of [signature.subarray(1), signature.subarray(0, -1), Buffer.concat([signature, Buffer.alloc(1)])])
      expect(verifiesPayload(publicKey, payload, other)).toBe(false);
  });

  it('what was signed as something else is no receipt', async () => {
    const payload = Buffer.from('{}');
    const type = 'application/vnd.other+json';
    for (const bytes of [payload, Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} {}`)])
      expect(verifiesPayload(publicKey, payload, Buffer.from(await signer.sign(bytes)))).toBe(false);
  });
});

describe('a bundle', () => {
  const { signer } = KEYS[0]!;
  let good: Bundle;
  beforeAll(async () => {
    good = await sealed(Buffer.from('{"a":1}'), signer);
  });
  const { stringify, parse } = JSON;
  /** With one text of it replaced. */
  const withText = (from: string, to: string) => parse(stringify(good).replace(from, to));

  it.each<[string, () => unknown]>([
    ['nothing', () => undefined],
    ['a list', () => [good]],
    ['a text', () => stringify(good)],
    ['another version', () => withText('v0.3+json', 'v0.2+json')],
    ['a payload of another type', () => withText('vnd.in-toto', 'vnd.other')],
    ['a member more', () => ({ ...good, messageSignature: {} })],
    ['a member less', () => ({ mediaType: good.mediaType, dsseEnvelope: good.dsseEnvelope })],
    ['inherited members', () => Object.create(good)],
    ['a certificate beside the key', () => ({ ...good, verificationMaterial: { ...good.verificationMaterial, certificate: {} } })],
    ['a log that nobody looks at', () => ({ ...good, verificationMaterial: { ...good.verificationMaterial, tlogEntries: [{}] } })],
    ['no signature', () => ({ ...good, dsseEnvelope: { ...good.dsseEnvelope, signatures: [] } })],
    [
      'two signatures',
      () => ({ ...good, dsseEnvelope: { ...good.dsseEnvelope, signatures: Array(2).fill(good.dsseEnvelope.signatures[0]) } }),
    ],
    ['a hint at another key', () => withText('"hint":"EdDSA"', '"hint":"other"')],
    ['a kid that is none', () => withText('"keyid":"EdDSA"', '"keyid":["EdDSA"]')],
    ['white space in its base64', () => withText('eyJh', 'ey Jh')],
    ['base64url', () => ({ ...good, dsseEnvelope: { ...good.dsseEnvelope, payload: '-_==' } })],
    ['stray bits in its base64', () => ({ ...good, dsseEnvelope: { ...good.dsseEnvelope, payload: 'QR==' } })],
    ['an empty payload', () => ({ ...good, dsseEnvelope: { ...good.dsseEnvelope, payload: '' } })],
    [
      'a signature of a megabyte',
      () => ({ ...good, dsseEnvelope: { ...good.dsseEnvelope, signatures: [{ sig: 'A'.repeat(1 << 20), keyid: 'EdDSA' }] } }),
    ],
    ['a payload that is too long', () => ({ ...good, dsseEnvelope: { ...good.dsseEnvelope, payload: 'A'.repeat(MOST_BYTES * 2) } })],
  ])('with %s is malformed', (_, bundle) => {
    expect(codeOf(() => opened(bundle()))).toBe('receipt-malformed');
  });

  it('is never anything else, whatever it is', () => {
    fc.assert(fc.property(fc.anything(), (value) => expect(codeOf(() => opened(value))).toBe('receipt-malformed')));
  });

  it('larger than anybody reads is not made', async () => {
    await expect(sealed(Buffer.alloc(MOST_BYTES + 1), signer)).rejects.toThrow(/^receipt-too-large: The receipt has 8388609 bytes/);
    expect(opened(await sealed(Buffer.alloc(MOST_BYTES), signer)).payload).toHaveLength(MOST_BYTES);
  });
});
