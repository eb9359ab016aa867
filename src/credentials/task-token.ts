import type { CryptoKey } from 'jose';
import { isScope } from '../scopes/scope.js';
import { readCompactJws, verifySignature } from './compact-jws.js';
import { ALG_OF, assertTaskClaims, type TaskClaims, type TaskTokenType } from './task-claims.js';
import { TokenError } from './token-error.js';

/** Characters. What is longer is refused unread. */
const LONGEST_READ = 16 * 1024;

/**
 * Scopes as a token carries them. Throws TokenError for what would not come back from it as it went in: one scope with a space in it is two
 * scopes to whoever reads the token, and the second was never held by anyone.
 */
export function joinScopes(scopes: readonly string[]): string {
  const joined = scopes.join(' ');
  const back = joined === '' ? [] : joined.split(' ');
  const same = back.length === scopes.length && back.every((scope, index) => scope === scopes[index]);
  if (same && scopes.every(isScope)) return joined;
  throw new TokenError(
    'scope',
    'These scopes cannot be told apart in a token; leave out those with a space, a double quote or a backslash',
  );
}

/** The scopes that a token carries, or a request asks for: separated by one space each. Throws TokenError. */
export function splitScopes(joined: string | undefined): string[] {
  const scopes = joined ? joined.split(' ') : [];
  if (scopes.every(isScope)) return scopes;
  throw new TokenError('scope', 'scope must be scopes separated by one space each, without double quote and backslash');
}

/** What a token must be to be believed. */
export interface TokenTerms {
  type: TaskTokenType;
  issuer: string;
  /** One of them must be its audience; absent: whoever it is for. */
  audiences?: readonly string[];
  /** The public key of a kid, and the one algorithm it is for; undefined where it is not ours, or not trusted any more. */
  keyOf(kid: string): Promise<{ alg: string; key: CryptoKey } | undefined>;
}

/** What a token that we signed says, and by which key it says so. */
export interface VerifiedToken {
  claims: TaskClaims;
  kid: string;
}

/** For this audience. Whether its time is over is for who asks the database, by its clock. Throws TokenError. */
export async function verifyTaskToken(token: string, terms: TokenTerms): Promise<VerifiedToken> {
  const form = { name: 'token', atMost: LONGEST_READ, members: ['alg', 'kid', 'typ'], type: terms.type };
  const { header, payload } = readCompactJws(token, form);
  const kid = typeof header.kid === 'string' ? header.kid : '';
  const known = kid === '' ? undefined : await terms.keyOf(kid);
  if (!known) throw new TokenError('unknown-key', 'The key that the token names is not one that is trusted');
  if (header.alg !== known.alg || known.alg !== ALG_OF[terms.type])
    throw new TokenError('algorithm', 'The alg of the token is not that of the key it names, or not that of its type');
  await verifySignature(token, 'token', known.key, known.alg);
  assertTaskClaims(payload, terms.type);
  assertMeant(payload, terms);
  return { claims: payload, kid };
}

function assertMeant({ iss, aud }: TaskClaims, { issuer, audiences }: TokenTerms): void {
  if (iss !== issuer) throw new TokenError('issuer', `The token was issued by another than ${issuer}`);
  if (audiences && !audiences.includes(aud))
    throw new TokenError('audience', `The token is for another audience than ${audiences.join(', ')}`);
}
