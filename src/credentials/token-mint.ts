import { type CryptoKey, SignJWT } from 'jose';
import { assertTaskClaims, type TaskClaims, type TaskTokenType } from './task-claims.js';
import { TokenError } from './token-error.js';

/** Characters. Proxies and servers take 8 KiB of a header; a token that none of them lets through helps nobody. */
export const LONGEST_SIGNED = 7 * 1024;

interface TokenSigner {
  kid: string;
  alg: string;
  key: CryptoKey;
}

/** Throws TokenError for claims that no verifier would accept back, and for a token that no header carries. */
export async function signTaskToken(claims: TaskClaims, type: TaskTokenType, { alg, kid, key }: TokenSigner): Promise<string> {
  assertTaskClaims(claims, type);
  const token = await new SignJWT({ ...claims }).setProtectedHeader({ alg, kid, typ: type }).sign(key);
  if (token.length <= LONGEST_SIGNED) return token;
  throw new TokenError('too-long', `The token would be longer than ${LONGEST_SIGNED} characters; ask for fewer scopes`);
}
