import { type StorableKey, type UsableKey, usableKey } from '../../../credentials/signing-key.js';
import type { Keys } from '../../keys.js';
import { openToken, sealToken } from '../token-cipher.js';
import type { SigningKeyRow } from './sql/list-signing-keys.js';

/** What a row is made of: kid, alg, public half, and the private one, which only this master key opens and only as this kid. */
export function sealedKey({ signing }: Keys, { publicJwk, privateJwk }: StorableKey): [string, string, string, Buffer] {
  const { kid, alg } = publicJwk;
  return [kid, alg, JSON.stringify(publicJwk), sealToken(signing, kid, JSON.stringify(privateJwk))];
}

/** Throws unless the row is as we wrote it; of its public half nothing is believed. */
export async function openedKey({ signing }: Keys, { kid, alg, sealed }: SigningKeyRow): Promise<UsableKey> {
  const key = await usableKey(alg, JSON.parse(openToken(signing, kid, sealed ?? Buffer.alloc(0))));
  if (key.publicJwk.kid !== kid) throw new Error('the key is not the one that its kid names');
  return key;
}
