import { SignatureError } from '../signatures/signature-error.js';
import type { Environment } from './access.js';
import { CommandError } from './command-error.js';
import { checkKeys } from './signatures/check-keys.js';
import { keygen } from './signatures/keygen.js';
import type { Outcome } from './signatures/options.js';
import { listPolicies, setPolicy, showPolicy } from './signatures/policy.js';
import { rotateKeys } from './signatures/rotate-keys.js';
import { sign } from './signatures/sign.js';
import { verify } from './signatures/verify.js';

/* `npm run signatures`: keys of those who create tasks, and signatures of tasks by them. Only `policy` asks a service. */

const USAGE = `Usage: npm run signatures -- <verb> …   [--json]

  keygen <name> [--alg EdDSA|ES256] [--kid <kid>] [--owner <text>] [--task-queue <id or beginning*>]…
      a new key: <name>.key.json, the private half, and <name>.jwks.json, a key set with the public one. Nothing is written over
  sign <definition file|-> --key <private key> --audience <deployment> --task-id <id>
       [--task-queue <id>] [--expires-in <seconds>] [--max-runs <number>] [--request | --as-is]
      the signature over the normal form of a definition, as the queue stores it: until its deadline, for its retries and one run.
      --request prints the whole body for createTask instead; --as-is signs just what is in the file
  verify <signature file|-> --keys <key set> --audience <deployment> --task-id <id> --task-queue <id>
       [--run <number>] [--at <time>] [--copy <definition file>]
      whether it is good for just that; --copy also compares the definition that the queue shows
  keys check <key set> [--previous <key set>] [--at <time>]
      whether verifiers take it, also those that have the previous one
  keys rotate <key set> <name> [--old <kid>] [--alg EdDSA|ES256] [--kid <kid>] [--lead <seconds>] [--overlap <seconds>] [--dry-run]
      adds a new key, its private half in <name>.key.json, valid --lead (600) seconds from now, and ends the old one --overlap (604800) later
  policy list
  policy show <task queue>
  policy set <task queue> off|warn|require [--keys <key set>]
      what the service does about tasks there that are not signed, or not well, and whose signatures it believes. Without --keys it keeps
      the key set. TASKCLUSTER_ROOT_URL, _CLIENT_ID and _ACCESS_TOKEN name the service, and as whom it is called

  Exit code 0: done, or good. 1: refused, with a code or by the service. 2: wrong words, or a file that cannot be used.
  docs/signatures.md has more.`;

const VERBS: Record<string, (args: string[], environment: Environment) => Promise<Outcome>> = {
  keygen,
  sign,
  verify,
  'keys check': checkKeys,
  'keys rotate': rotateKeys,
  'policy list': listPolicies,
  'policy show': showPolicy,
  'policy set': setPolicy,
};
const NOUNS = ['keys', 'policy'];

async function main(words: string[]): Promise<void> {
  const [first = '', second = '', ...rest] = words;
  if (first === 'help' || first === '--help') return console.log(USAGE);
  const ofNoun = NOUNS.includes(first);
  const verb = ofNoun ? `${first} ${second}` : first;
  if (!Object.hasOwn(VERBS, verb)) throw new CommandError(USAGE, 2);
  const { text, json, exitCode = 0 } = await VERBS[verb]!(ofNoun ? rest : words.slice(1), process.env);
  console.log(words.includes('--json') ? JSON.stringify(json, null, 2) : text);
  process.exitCode = exitCode;
}

const words = process.argv.slice(2);
try {
  await main(words);
} catch (error) {
  if (!(error instanceof SignatureError || error instanceof CommandError)) throw error;
  if (error instanceof SignatureError && words.includes('--json'))
    console.log(JSON.stringify({ good: false, code: error.code, detail: error.detail }, null, 2));
  console.error(error.message);
  process.exitCode = error instanceof CommandError ? error.exitCode : 1;
}
