import { isSigningAlg, SIGNING_ALGS, type SigningAlg } from '../../signatures/algorithms.js';
import type { TaskKey } from '../../signatures/generate-key.js';
import { CommandError } from '../command-error.js';

export function algOf(given: string | undefined): SigningAlg {
  const alg = given ?? 'EdDSA';
  if (isSigningAlg(alg)) return alg;
  throw new CommandError(`--alg is ${SIGNING_ALGS.join(' or ')}, not ${JSON.stringify(alg)}`, 2);
}

/** The file of the private half, which its owner alone can read. */
export function privateFile(name: string, { privateJwk }: TaskKey) {
  return { file: `${name}.key.json`, text: jsonText(privateJwk), mode: 0o600 };
}

export const jsonText = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
