import fc from 'fast-check';
// @ts-expect-error hawk has no types; it is here as an independent opinion
import Hawk from 'hawk';
import { type Bewit, bewitFromUrl, parseBewit, signBewit, verifyBewit } from './bewit.js';
import { decodeExt } from './ext.js';

const KEY = 'no-secret';
const EXP = 1_700_000_900;
const NOW = EXP * 1000 - 1;
const RESOURCE = '/api/auth/v1/test-authenticate-get/';
const VALUE = 'dGVzdGVyXDE3MDAwMDA5MDBcWnhoeXp5WDB4bW50dHViT0pUaUVlRTBWRGlBTzN0QmNna2QwYWdzMFlXOD1c';
const credentials = { clientId: 'tester', accessToken: KEY };
const request = { method: 'GET', resource: RESOURCE, host: 'tc.example.com', port: 443 };
const encode = (text: string) => Buffer.from(text, 'latin1').toString('base64url');

/** The way a server goes: find, read, look the client up, check. `undefined` is a request without a bewit. */
function authenticate(url: string, method = 'GET', nowMs = NOW): Bewit | undefined {
  const found = bewitFromUrl(url);
  if (found === undefined) return undefined;
  const bewit = parseBewit(found.bewit, method);
  verifyBewit(KEY, { ...request, method, resource: found.resource }, bewit, nowMs);
  return bewit;
}

function ours(url: string, method: string): string {
  try {
    return authenticate(url, method) ? 'accepted' : 'anonymous';
  } catch (error) {
    return (error as Error).message;
  }
}

async function oracle(url: string, method: string): Promise<string> {
  try {
    const sent = { method, url, host: request.host, port: request.port };
    await Hawk.uri.authenticate(sent, async () => ({ key: KEY, algorithm: 'sha256' }), { localtimeOffsetMsec: NOW - Date.now() - 10 });
    return 'accepted';
  } catch (error) {
    const { payload } = (error as { output: { payload: { error: string; message: string } } }).output;
    return `${payload.error}: ${payload.message}`;
  }
}

describe('signBewit', () => {
  it('makes the bewit of the published example', () => {
    expect(signBewit(credentials, request, { exp: EXP })).toBe(VALUE);
    expect(parseBewit(VALUE, 'GET')).toEqual({
      id: 'tester',
      exp: '1700000900',
      mac: 'ZxhyzyX0xmnttubOJTiEeE0VDiAO3tBcgkd0ags0YW8=',
      ext: '',
    });
  });

  it('carries a certificate and a restriction of scopes', () => {
    const temporary = { ...credentials, certificate: '{"version":1}' };
    const { ext } = parseBewit(signBewit(temporary, request, { exp: EXP, authorizedScopes: [] }), 'GET');
    expect(decodeExt(ext)).toEqual({ certificate: { version: 1 }, authorizedScopes: [] });
  });

  it.each([
    ['a\\b', EXP],
    ['a\nb', EXP],
    ['', EXP],
    ['a', EXP + 0.5],
    ['a', Number.NaN],
  ])('will not sign for %j until %d', (clientId, exp) => {
    expect(() => signBewit({ clientId, accessToken: KEY }, request, { exp })).toThrow(TypeError);
  });

  it('is accepted by hawk, wherever it stands in the query', async () => {
    for (const [resource, url] of [
      ['/a', `/a?bewit=`],
      ['/a?b=1', '/a?b=1&bewit='],
    ] as const) {
      expect(await oracle(url + signBewit(credentials, { ...request, resource }, { exp: EXP }), 'HEAD')).toBe('accepted');
    }
  });
});

describe('bewitFromUrl', () => {
  it.each([
    ['/a?bewit=X', '/a'],
    ['/a?b=1&bewit=X', '/a?b=1'],
    ['/a?bewit=X&b=1', '/a?b=1'],
    ['/a?b=1&bewit=X&c=2', '/a?b=1&c=2'],
    ['/a?bewit=Y&bewit=X', '/a?bewit=Y'],
    ['/a?bewit=Y?bewit=X', '/a?bewit=Y'],
    ['/a?bewit=X&bewit=Y&', '/a?bewit=Y&'],
  ])('takes the bewit out of %s', (url, resource) => {
    expect(bewitFromUrl(url)).toEqual({ bewit: 'X', resource });
  });

  it.each(['/a', '/a?b=1', '/a?xbewit=X', '/a?%62ewit=X', '', 'a?bewit=X', '?bewit=X'])('finds none in %j', (url) => {
    expect(bewitFromUrl(url)).toBeUndefined();
  });

  it('does not take a path for a query, though hawk does', async () => {
    const url = `${RESOURCE}&bewit=${VALUE}`;
    expect(await oracle(url, 'GET')).toBe('accepted');
    expect(bewitFromUrl(url)).toBeUndefined();
  });

  it('leaves a long URL without a bewit alone', () => {
    expect(bewitFromUrl(`/a?${'b'.repeat(5000)}`)).toBeUndefined();
  });
});

describe('a request with a bewit', () => {
  const url = `${RESOURCE}?bewit=`;

  it.each([
    [url + VALUE, 'GET', 'accepted'],
    [url + VALUE, 'HEAD', 'accepted'],
    [url + VALUE, 'POST', 'Unauthorized: Invalid method'],
    [`${url}&bewit=!`, 'POST', 'Unauthorized: Invalid method'],
    [`${url}!`, 'GET', 'Bad Request: Invalid bewit encoding'],
    [url + VALUE.padEnd(4096), 'POST', 'Bad Request: Resource path exceeds max length'],
    [url, 'POST', 'Unauthorized: Empty bewit'],
    [`${url}${VALUE}&`, 'POST', 'Unauthorized: Unauthorized'],
    [`${url}${VALUE}$`, 'POST', 'Unauthorized: Unauthorized'],
    [`${url}${VALUE}==`, 'GET', 'Bad Request: Invalid bewit encoding'],
    [url + encode('a\\1\\m'), 'GET', 'Bad Request: Invalid bewit structure'],
    [url + encode('a\\1\\m\\e\\'), 'GET', 'Bad Request: Invalid bewit structure'],
    [url + encode('\\1\\m\\'), 'GET', 'Bad Request: Missing bewit attributes'],
    [url + encode('a\\\\m\\'), 'GET', 'Bad Request: Missing bewit attributes'],
    [url + encode('a\\1\\\\'), 'GET', 'Bad Request: Missing bewit attributes'],
    [url + encode('a\\1\\m\\'), 'GET', 'Unauthorized: Bad mac'],
    [url + encode('a\\1\\é\\'), 'GET', 'Unauthorized: Bad mac'],
    [url + signBewit(credentials, request, { exp: EXP - 1 }), 'GET', 'Unauthorized: Access expired'],
  ])('%.90s %s is answered as hawk would: %s', async (sent, method, message) => {
    expect(ours(sent, method)).toBe(message);
    expect(await oracle(sent, method)).toBe(message);
  });

  it('is over at the very second of its end', () => {
    expect(authenticate(url + VALUE, 'GET', EXP * 1000 - 1)).toBeDefined();
    expect(() => authenticate(url + VALUE, 'GET', EXP * 1000)).toThrow('Unauthorized: Access expired');
  });

  it.each(['never', '', '-1', '1e99', 'NaN', ' 1700000900', '1700000900x'])('does not last for ever with the end %j', (exp) => {
    // Signed rightly, by a holder of the key who would like it to last.
    const mac = Hawk.crypto.calculateMac('bewit', { key: KEY, algorithm: 'sha256' }, { ...request, ts: exp, nonce: '' });
    expect(() => verifyBewit(KEY, request, { id: 'tester', exp, mac, ext: '' }, NOW)).toThrow('Unauthorized: Access expired');
  });

  it('is not opened by the MAC of a header', () => {
    const mac = Hawk.crypto.calculateMac('header', { key: KEY, algorithm: 'sha256' }, { ...request, ts: String(EXP), nonce: '' });
    expect(() => verifyBewit(KEY, request, { id: 'tester', exp: String(EXP), mac, ext: '' }, NOW)).toThrow('Unauthorized: Bad mac');
  });

  it('checks the method again where the MAC is checked, which never names it', () => {
    expect(() => verifyBewit(KEY, { ...request, method: 'PUT' }, parseBewit(VALUE, 'GET'), NOW)).toThrow('Unauthorized: Invalid method');
  });

  it('is refused when any bit of its fields is flipped, but for the id, which chooses the key', () => {
    const bytes = Buffer.from(signBewit(credentials, request, { exp: EXP, authorizedScopes: ['a:b'] }), 'base64url');
    fc.assert(
      fc.property(fc.integer({ min: 'tester'.length, max: bytes.length - 1 }), fc.nat(7), (at, bit) => {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
        expect(() => authenticate(url + changed.toString('base64url'))).toThrow(/^(Bad Request|Unauthorized): /);
      }),
      { numRuns: 1000 },
    );
  });

  it('is refused for any other resource', () => {
    fc.assert(
      fc.property(fc.webPath(), fc.webQueryParameters(), (path, query) => {
        fc.pre(query !== '' || path !== RESOURCE);
        expect(() => authenticate(`${path || '/'}?${query}&bewit=${VALUE}`)).toThrow('Unauthorized: Bad mac');
      }),
    );
  });

  it('is answered as hawk would, whatever the URL', async () => {
    const piece = fc.constantFrom('?', '&', 'bewit=', '?bewit=', '&bewit=', VALUE, '$', '=', 'a', '/', '');
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), fc.constantFrom('GET', 'POST'), async (pieces, method) => {
        const sent = `${RESOURCE}?${pieces.join('')}`;
        const expected = /[?&]bewit=/.test(sent) ? await oracle(sent, method) : 'anonymous';
        expect(ours(sent, method)).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });
});
