import { createHash, createHmac, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import type pg from 'pg';
import { openToken } from '../../src/service/auth/token-cipher.js';
import { deriveKeys } from '../../src/service/keys.js';

/** What a part of a token is made of: an object, or bytes or a text that need not be JSON. */
export type Part = object | string | Buffer;

export const part = (value: Part): string => {
  const plain = typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value);
  return Buffer.from(plain as string).toString('base64url');
};

/** A key that signs whatever it is given. */
export interface Pen {
  kid: string;
  alg: 'ES256' | 'RS256';
  privateKey: KeyObject;
  jwk: JWK;
}

async function penOf(privateKey: KeyObject): Promise<Pen> {
  const { kty, crv, x, y, n, e } = privateKey.export({ format: 'jwk' }) as JWK;
  const jwk = (kty === 'EC' ? { kty, crv, x, y } : { kty, n, e }) as JWK;
  return { kid: await calculateJwkThumbprint(jwk), alg: kty === 'EC' ? 'ES256' : 'RS256', privateKey, jwk };
}

/** One of an attacker. */
export const strangersPen = (alg: Pen['alg']): Promise<Pen> =>
  penOf(
    (alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 })).privateKey,
  );

/** Those of the service, as its master key opens them: so that of a forged token nothing is wrong but what is to be. */
export async function pensOf(pool: pg.Pool, masterKey: string): Promise<Pen[]> {
  const { rows } = await pool.query('select kid, sealed from signing_key where sealed is not null order by alg, published');
  const keys = deriveKeys(masterKey).signing;
  return Promise.all(
    rows.map(({ kid, sealed }) => penOf(createPrivateKey({ key: JSON.parse(openToken(keys, kid, sealed)), format: 'jwk' }))),
  );
}

/** The signature of a text. ECDSA in the form that JWS wants (r and s), unless told otherwise. */
export function signatureOf(text: string, { privateKey }: Pen, dsaEncoding: 'ieee-p1363' | 'der' = 'ieee-p1363'): Buffer {
  return sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding });
}

/** A token of any two parts. */
export function forged(header: Part, payload: Part, pen: Pen): string {
  const text = `${part(header)}.${part(payload)}`;
  return `${text}.${signatureOf(text, pen).toString('base64url')}`;
}

/** The same, sealed by a MAC. */
export function maced(header: { alg: string }, payload: Part, secret: string | Buffer): string {
  const text = `${part(header)}.${part(payload)}`;
  const hash = /^HS(384|512)$/.exec(header.alg)?.[1] ?? '256';
  return `${text}.${createHmac(`sha${hash}`, secret).update(text).digest('base64url')}`;
}

export const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64url');

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n; // of the group of P-256

/** r and s of an ES256 signature, made of numbers. */
export function esSignature(r: bigint, s: bigint): string {
  return Buffer.from([r, s].map((number) => number.toString(16).padStart(64, '0')).join(''), 'hex').toString('base64url');
}

export const ofOrder = (plus = 0n): bigint => ORDER + plus;

/** The other signature that ECDSA holds for as good: r and −s. Whoever has one can make it, without the key. */
export function twinOf(token: string): string {
  const [header, payload, signature = ''] = token.split('.');
  const [, r = '', s = ''] = /^(.{64})(.{64})$/.exec(Buffer.from(signature, 'base64url').toString('hex')) ?? [];
  return `${header}.${payload}.${esSignature(BigInt(`0x${r}`), ORDER - BigInt(`0x${s}`))}`;
}
