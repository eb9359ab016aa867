import { generateKey, type KeyTerms } from '../../src/signatures/generate-key.js';

type PublicJwk = ReturnType<typeof generateKey>['publicJwk'] & { revoked?: boolean };

export interface KeySetJson {
  version: number;
  expires?: number;
  keys: PublicJwk[];
}

/** A key set of new keys, one for each of these terms. */
export function keySetOf(version: number, ...terms: KeyTerms[]): KeySetJson {
  return { version, keys: terms.map((one) => generateKey('EdDSA', one).publicJwk) };
}
