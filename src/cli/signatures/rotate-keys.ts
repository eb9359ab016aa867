import { rm } from 'node:fs/promises';
import { isSigningAlg } from '../../signatures/algorithms.js';
import { generateKey, type TaskKey } from '../../signatures/generate-key.js';
import { type KeySet, readKeySet } from '../../signatures/key-set.js';
import { keyStateAt, type VerificationKey } from '../../signatures/verification-key.js';
import { CommandError } from '../command-error.js';
import { changeFile, createFiles, readText } from './files.js';
import { algOf, jsonText, privateFile } from './key-pair.js';
import { clock, count, flag, type Outcome, readWords, shownTime, text, type Words } from './options.js';

/** Seconds until all verifiers can be expected to have the new set, and those for which what the old key signed stays good after that. */
const LEAD = 600;
const OVERLAP = 7 * 24 * 3600;

const OPTIONS = { old: 'text', alg: 'text', kid: 'text', lead: 'text', overlap: 'text', 'dry-run': 'flag' } as const;

/** Adds a new key to a key set, for what an old one was for, and gives that one an end. */
export async function rotateKeys(args: string[]): Promise<Outcome> {
  const words = readWords(args, 2, OPTIONS);
  const [file, name] = words.positionals as [string, string];
  if (file === '-') throw new CommandError('a key set is rotated in its file, not on standard input', 2);
  const dry = flag(words, 'dry-run');
  const rotation = dry ? rotated(await readText(file), words) : await rotateFile(file, name, words);
  const { key, old, from, until, next } = rotation;
  const privateKey = privateFile(name, key).file;
  const kid = dry && text(words, 'kid') === undefined ? 'its thumbprint' : key.publicJwk.kid;
  const json = {
    dryRun: dry,
    added: { kid, from },
    old: { kid: old.kid, until },
    version: next.version,
    privateKey,
    keySet: file,
  };
  const told = `${dry ? 'Would be done, but nothing was: ' : ''}${file} has version ${next.version}.
Key ${kid} is added, valid from ${shownTime(from)}; ${privateKey} is the private key. Sign with it from then on.
Key ${old.kid} is believed until ${shownTime(until)}. Let what it has signed end before, and then take it out.`;
  return { text: told, json };
}

/** The secret is there before the set: a key that nobody has would be of no use. */
async function rotateFile(file: string, name: string, words: Words): Promise<Rotation> {
  const made: Rotation[] = [];
  try {
    await changeFile(file, async (json) => {
      const rotation = rotated(json, words);
      await createFiles([privateFile(name, rotation.key)]);
      made.push(rotation);
      return jsonText(rotation.next);
    });
  } catch (error) {
    for (const { key } of made) await rm(privateFile(name, key).file, { force: true });
    throw error;
  }
  return made[0]!;
}

/** The one that is meant, or the only one that is valid. */
function oldKey({ keys }: KeySet, kid: string | undefined, now: number): VerificationKey {
  const valid = Object.values(keys).filter((key) => keyStateAt(key, now) === 'valid');
  const found = kid === undefined ? valid : valid.filter((key) => key.kid === kid);
  if (found.length === 1) return found[0]!;
  if (kid === undefined)
    throw new CommandError(
      `${valid.length} keys are valid; say by --old which is to be replaced: ${valid.map((key) => key.kid).join(', ')}`,
      2,
    );
  throw new CommandError(
    keys[kid] ? `key ${kid} is ${keyStateAt(keys[kid], now)}: there is nothing to rotate` : `the key set has no key ${kid}`,
  );
}

interface Rotation {
  key: TaskKey;
  old: VerificationKey;
  from: number;
  until: number;
  next: { version: number; keys: Record<string, unknown>[] };
}

/** Throws CommandError or SignatureError where verifiers would not take what came of it. */
function rotated(json: string, words: Words): Rotation {
  const old = oldKey(readKeySet(json), text(words, 'old'), clock());
  const set = JSON.parse(json) as Rotation['next']; // it was read strictly before
  const from = clock() + (count(words, 'lead') ?? LEAD);
  const until = Math.min(old.exp ?? Number.POSITIVE_INFINITY, from + (count(words, 'overlap') ?? OVERLAP)); // never given a longer life
  if (until < from) throw new CommandError(`key ${old.kid} ends at ${shownTime(until)}, before the new one begins; give a shorter --lead`);
  const alg = algOf(text(words, 'alg') ?? (isSigningAlg(old.alg) ? old.alg : undefined));
  const key = generateKey(alg, { kid: text(words, 'kid'), owner: old.owner, nbf: from, taskQueues: old.taskQueues });
  const keys = set.keys.map((jwk) => (jwk.kid === old.kid ? { ...jwk, exp: until } : jwk));
  const next = { ...set, version: set.version + 1, keys: [...keys, key.publicJwk] };
  readKeySet(jsonText(next)); // say, a kid that is there already
  return { key, old, from, until, next };
}
