import { inflateSync } from 'node:zlib';
import { type JWTVerifyGetKey, jwtVerify } from 'jose';
import { claimsOf } from './task-tokens.js';

/** As a verifier does it: the list that the token names, signed by a published key, for that very list; then the bit. */
export async function isEnded(token: string, read: (uri: string) => Promise<string>, keys: JWTVerifyGetKey): Promise<boolean> {
  const { idx, uri } = (claimsOf(token).status as { status_list: { idx: number; uri: string } }).status_list;
  const list = await read(uri);
  await jwtVerify(list, keys, { typ: 'statuslist+jwt', subject: uri });
  return bitOf(list, idx);
}

/** Of a list that is believed. */
export function bitOf(list: string, idx: number): boolean {
  const bits = inflateSync(Buffer.from((claimsOf(list).status_list as { lst: string }).lst, 'base64url'));
  return ((bits[idx >> 3] as number) & (1 << (idx & 7))) !== 0;
}
