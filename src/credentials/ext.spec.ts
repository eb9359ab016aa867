import fc from 'fast-check';
import { CredentialError } from './credential-error.js';
import { decodeExt, encodeExt, extFor } from './ext.js';

const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('decodeExt', () => {
  it('reads the empty object that some clients send with plain credentials', () => {
    expect(decodeExt('e30=')).toEqual({});
  });

  it.each([[undefined], ['']])('takes %j for no ext', (ext) => {
    expect(decodeExt(ext)).toEqual({});
  });

  it('takes a null member for an absent one, and no other falsy value', () => {
    expect(decodeExt(base64('{"certificate":null,"authorizedScopes":null}'))).toEqual({});
    expect(decodeExt(base64('{"certificate":0,"authorizedScopes":false}'))).toEqual({ certificate: 0, authorizedScopes: false });
  });

  it('reads both alphabets, padded or not', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.boolean(), fc.boolean(), (authorizedScopes, url, padded) => {
        const standard = encodeExt({ authorizedScopes }) ?? '';
        const alphabet = url ? standard.replaceAll('+', '-').replaceAll('/', '_') : standard;
        expect(decodeExt(padded ? alphabet : alphabet.replaceAll('=', ''))).toEqual({ authorizedScopes });
      }),
    );
  });

  it.each([
    ['not base64', 'e30 ='],
    ['text after the padding', 'e30=e30='],
    ['too much padding', 'e30==='],
    ['no JSON', base64('{')],
    ['a truncated object', (encodeExt({ authorizedScopes: ['a'] }) ?? '').slice(0, -4)],
    ['null', base64('null')],
    ['a list', base64('[{"certificate":{}}]')],
    ['a string', base64('"certificate"')],
    ['a number', base64('1')],
  ])('refuses %s', (_, ext) => {
    expect(() => decodeExt(ext)).toThrow(new CredentialError('Failed to parse ext'));
  });

  it('throws nothing but a CredentialError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json().map(base64)), (ext) => {
        try {
          decodeExt(ext);
        } catch (error) {
          expect(error).toBeInstanceOf(CredentialError);
        }
      }),
    );
  });

  it('takes no member from a prototype', () => {
    expect(decodeExt(base64('{"__proto__":{"certificate":{},"authorizedScopes":["*"]}}'))).toEqual({});
  });
});

describe('extFor', () => {
  const plain = { clientId: 'a', accessToken: 'b' };

  it('says nothing of plain credentials', () => {
    expect(extFor(plain, undefined)).toBeUndefined();
    expect(extFor({ ...plain, certificate: '' }, undefined)).toBeUndefined();
  });

  it('keeps the difference between no restriction and a restriction to nothing', () => {
    expect(decodeExt(extFor(plain, []))).toEqual({ authorizedScopes: [] });
  });

  it('does not repeat a certificate it cannot read', () => {
    const certificate = '{"seed":"secret';
    expect(() => extFor({ ...plain, certificate }, undefined)).toThrow(
      new TypeError('credentials.certificate must be the JSON text of a certificate'),
    );
  });
});
