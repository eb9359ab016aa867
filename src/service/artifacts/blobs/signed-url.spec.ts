import fc from 'fast-check';
import { type BlobPermit, isPermitted, signedPath } from './signed-url.js';

const KEY = 'a-key-of-a-test';
const blobId = fc.uuid();
const expires = fc.integer({ min: 1, max: 4_000_000_000 });
const contentType = fc.string({ unit: 'grapheme-ascii', maxLength: 20 });
const permit: fc.Arbitrary<BlobPermit> = fc.oneof(
  fc.record({ method: fc.constant('GET' as const), blobId, expires, fileName: contentType }),
  fc.record({ method: fc.constant('PUT' as const), blobId, expires, atMost: fc.nat(), contentType }),
);
const signatureOf = (one: BlobPermit, key = KEY) => new URL(signedPath(key, one), 'http://a').searchParams.get('signature') ?? '';

it('permits what was signed, until its end', () => {
  fc.assert(
    fc.property(permit, (one) => {
      expect(isPermitted(KEY, one, signatureOf(one), one.expires * 1000 - 1)).toBe(true);
      expect(isPermitted(KEY, one, signatureOf(one), one.expires * 1000)).toBe(false);
    }),
  );
});

it('permits nothing else', () => {
  fc.assert(
    fc.property(permit, permit, (one, other) => {
      const same = JSON.stringify(one) === JSON.stringify(other);
      expect(isPermitted(KEY, other, signatureOf(one), 0)).toBe(same);
      expect(isPermitted('another key', one, signatureOf(one), 0)).toBe(false);
      expect(isPermitted(KEY, one, signatureOf(one).slice(1), 0)).toBe(false);
    }),
  );
});

it('says in the URL all that it permits, and a type cannot add to it', () => {
  fc.assert(
    fc.property(permit, (one) => {
      const url = new URL(signedPath(KEY, one), 'http://a');
      expect(url.pathname).toBe(`/api/artifacts/v1/blobs/${one.blobId}`);
      expect(url.hash).toBe('');
      const { size, type, name, ...rest } = Object.fromEntries(url.searchParams);
      expect(rest).toEqual({ expires: String(one.expires), signature: expect.stringMatching(/^[\w-]{43}$/) });
      const told = one.method === 'PUT' ? [String(one.atMost), one.contentType, undefined] : [undefined, undefined, one.fileName];
      expect([size, type, name]).toEqual(told);
    }),
  );
});
