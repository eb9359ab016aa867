import { PUBLISH_LEAD } from '../../src/service/auth/keys/key-life.js';
import { JWKS, later } from '../support/signing-keys.js';
import { ok } from '../support/tasks.js';
import type { World } from './world.js';

export interface ListedKey {
  kid: string;
  alg: string;
  state: string;
}

export const listed = async ({ root }: World): Promise<ListedKey[]> => (await ok(root.get('/auth/v1/keys'))).keys;

export const publishedKids = async ({ root }: World): Promise<string[]> =>
  (await ok(root.as().get(JWKS))).keys.map(({ kid }: ListedKey) => kid);

/** The key that signs, after any rotation that was under way. */
export async function active(world: World, alg = 'ES256'): Promise<string> {
  await later(world.test.database.pool, PUBLISH_LEAD + 1);
  return inState(await listed(world), 'active', alg);
}

export function inState(keys: ListedKey[], state: string, alg = 'ES256'): string {
  return keys.filter((key) => key.alg === alg && key.state === state).map(({ kid }) => kid).join(); // biome-ignore format: as it is read
}

export const describedKey = {
  ...{ kid: expect.stringMatching(/^[\w-]{43}$/), published: expect.any(String), activeFrom: expect.any(String) },
  publicJwk: expect.objectContaining({ use: 'sig' }),
};
