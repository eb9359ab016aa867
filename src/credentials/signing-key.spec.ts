import { jwtVerify, SignJWT } from 'jose';
import { generateSigningKey, publicHalf, SIGNING_ALGS, usableKey } from './signing-key.js';

/** RFC 7638, 3.1. */
const OF_THE_RFC = {
  kty: 'RSA',
  n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
  e: 'AQAB',
};
const ITS_THUMBPRINT = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs';
const SECRETS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

it('names a key by the thumbprint of the RFC, whatever else is said of it', async () => {
  const { n, e } = OF_THE_RFC;
  expect(await publicHalf('RS256', { ...OF_THE_RFC, kid: '2011-04-29', use: 'enc', alg: 'PS256' })).toEqual({
    ...{ kty: 'RSA', n, e },
    ...{ use: 'sig', alg: 'RS256', kid: ITS_THUMBPRINT },
  });
});

it.each(SIGNING_ALGS)('%s: a pair that was stored signs, and its public half verifies', async (alg) => {
  const { publicJwk, privateJwk } = await generateSigningKey(alg);
  const used = await usableKey(alg, JSON.parse(JSON.stringify(privateJwk)));
  expect(used.publicJwk).toEqual(publicJwk);
  const token = await new SignJWT({ a: 1 }).setProtectedHeader({ alg, kid: publicJwk.kid }).sign(used.privateKey);
  expect((await jwtVerify(token, used.publicKey)).payload).toEqual({ a: 1 });
  const { publicKey: another } = await usableKey(alg, (await generateSigningKey(alg)).privateJwk);
  await expect(jwtVerify(token, another)).rejects.toThrow(/signature verification failed/);
});

it.each(SIGNING_ALGS)('%s: what is published holds nothing secret, and what is used cannot be taken out again', async (alg) => {
  const { publicJwk, privateJwk } = await generateSigningKey(alg);
  const fields = alg === 'ES256' ? ['crv', 'x', 'y'] : ['e', 'n'];
  expect(Object.keys(publicJwk).sort()).toEqual(['alg', ...fields, 'kid', 'kty', 'use'].sort());
  expect(SECRETS.filter((name) => name in publicJwk)).toEqual([]);
  expect(publicJwk.kid).toMatch(/^[\w-]{43}$/);
  const { privateKey } = await usableKey(alg, privateJwk);
  await expect(crypto.subtle.exportKey('jwk', privateKey as never)).rejects.toThrow();
  expect(JSON.stringify({ privateKey })).toBe('{"privateKey":{}}');
});

it('an RSA key has 2048 bits, and no two keys are the same', async () => {
  const [one, other] = await Promise.all([generateSigningKey('RS256'), generateSigningKey('RS256')]);
  expect(Buffer.from(one.publicJwk.n ?? '', 'base64url')).toHaveLength(256);
  expect(one.publicJwk.kid).not.toBe(other.publicJwk.kid);
});

it('a key of one kind is not taken for one of the other, nor a part of a key for a whole one', async () => {
  const [ec, rsa] = await Promise.all([generateSigningKey('ES256'), generateSigningKey('RS256')]);
  await expect(usableKey('RS256', ec.privateJwk)).rejects.toThrow(/of type EC does not sign RS256/);
  await expect(usableKey('ES256', rsa.privateJwk)).rejects.toThrow(/of type RSA does not sign ES256/);
  const { x: _, ...half } = ec.privateJwk;
  await expect(usableKey('ES256', half)).rejects.toThrow();
  await expect(usableKey('ES256', { kty: 'oct', k: 'c2VjcmV0' })).rejects.toThrow(/of type oct/);
});
