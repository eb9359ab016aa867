import { createHash } from 'node:crypto';
import { type CryptoKey, calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { slugid } from '../../src/credentials/slugid.js';
import type { Answer, Api, RequestOptions } from './api.js';

/** Where a test's service says that it is: proxies and clients know it by this, whatever its port. */
export const HERE = 'https://tasks.example.com';

export const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const TYPE = (name: string) => `urn:ietf:params:oauth:token-type:${name}`;

type Fields = Record<string, string | undefined>;

/** Sends a form; what is undefined is left out. */
export function postForm(api: Api, path: string, fields: Fields, { headers = {}, ...options }: RequestOptions = {}): Promise<Answer> {
  const given = Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined);
  const body = new URLSearchParams(given).toString();
  return api.request('post', path, { body, headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, ...options });
}

export function exchange(api: Api, fields: Fields = {}, options?: RequestOptions): Promise<Answer> {
  return postForm(api, '/oauth/token', { grant_type: GRANT, audience: 'https://api.example.com', ...fields }, options);
}

/** A token; fails unless it was given. */
export async function tokenOf(api: Api, fields: Fields = {}, options?: RequestOptions): Promise<string> {
  const { status, body } = await exchange(api, fields, options);
  if (status !== 200) throw new Error(`answered ${status}: ${JSON.stringify(body)}`);
  return body.access_token;
}

/** A token for the service itself. */
export function tokenForUs(api: Api, scope?: string, options?: RequestOptions): Promise<string> {
  return tokenOf(api, { audience: HERE, scope }, options);
}

export const claimsOf = (token: string) => decodeJwt(token) as Record<string, unknown> & { exp: number; iat: number; jti: string };

/** A key, and the proofs that it makes. */
export class Prover {
  private constructor(
    readonly privateKey: CryptoKey,
    readonly jwk: JWK,
    readonly jkt: string,
  ) {}

  static async make(): Promise<Prover> {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const jwk = await exportJWK(publicKey);
    return new Prover(privateKey, jwk, await calculateJwkThumbprint(jwk));
  }

  /** `path`: of the service, without query. */
  proof(method: string, path: string, token?: string, claims: object = {}): Promise<string> {
    const ath = token && { ath: createHash('sha256').update(token).digest('base64url') };
    const all = { htm: method, htu: HERE + path, iat: Math.floor(Date.now() / 1000), jti: slugid(), ...ath, ...claims };
    return new SignJWT(all).setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: this.jwk }).sign(this.privateKey);
  }
}
