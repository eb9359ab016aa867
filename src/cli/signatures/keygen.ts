import { generateKey } from '../../signatures/generate-key.js';
import { readKeySet } from '../../signatures/key-set.js';
import { createFiles } from './files.js';
import { algOf, jsonText, privateFile } from './key-pair.js';
import { list, type Outcome, readWords, text } from './options.js';

/** A new key: its private half in one file, and a key set with its public half in another. */
export async function keygen(args: string[]): Promise<Outcome> {
  const words = readWords(args, 1, { alg: 'text', kid: 'text', owner: 'text', 'task-queue': 'list' });
  const name = words.positionals[0]!;
  const alg = algOf(text(words, 'alg'));
  const taskQueues = list(words, 'task-queue');
  const terms = { kid: text(words, 'kid'), owner: text(words, 'owner'), taskQueues };
  const key = generateKey(alg, terms);
  const keySet = { file: `${name}.jwks.json`, text: jsonText({ version: 1, keys: [key.publicJwk] }), mode: 0o644 };
  const { thumbprint } = readKeySet(keySet.text).keys[key.publicJwk.kid]!;
  const secret = privateFile(name, key);
  await createFiles([secret, keySet]);
  const made = { kid: key.publicJwk.kid, alg, thumbprint, privateKey: secret.file, keySet: keySet.file };
  const told = `Made key ${made.kid} (${alg}).
${made.privateKey}: the private key. Who has it can sign; keep it where tasks are created, and nowhere else.
${made.keySet}: the key set for verifiers, version 1.`;
  return { text: told, json: made };
}
