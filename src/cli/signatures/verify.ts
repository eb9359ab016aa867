import { readKeySet } from '../../signatures/key-set.js';
import { assertEnvAllowed } from '../../signatures/reserved-env.js';
import { verifyTask } from '../../signatures/verify-task.js';
import { wantedEnvironment } from '../../signatures/wanted-environment.js';
import { readJson, readText } from './files.js';
import { clock, count, instant, needed, type Outcome, readWords, shownTime, text } from './options.js';

const SKEW = 60;
const OPTIONS = {
  keys: 'text',
  audience: 'text',
  'task-id': 'text',
  'task-queue': 'text',
  run: 'text',
  at: 'text',
  copy: 'text',
} as const;

/** What a worker would say of a signature. What it must be for is given, and never taken from itself. */
export async function verify(args: string[]): Promise<Outcome> {
  const words = readWords(args, 1, OPTIONS);
  const keysFile = needed(words, 'keys', 'the file of a key set');
  const expectation = {
    audience: needed(words, 'audience', 'the name of the deployment'),
    taskId: needed(words, 'task-id', 'the id of the task'),
    taskQueueId: needed(words, 'task-queue', 'the id of its task queue'),
    runId: count(words, 'run') ?? 0,
    now: instant(words, 'at') ?? clock(),
    skew: SKEW,
  };
  const keySet = readKeySet(await readText(keysFile));
  const copyFile = text(words, 'copy');
  const copy = copyFile === undefined ? undefined : await readJson(copyFile);
  const jws = (await readText(words.positionals[0]!)).replace(/\r?\n$/, ''); // as commands end their output
  const { definition, ...seen } = verifyTask(jws, expectation, keySet, copy);
  assertEnvAllowed(wantedEnvironment(definition));
  const compared = copy === undefined ? "The queue's copy was not compared; give it by --copy." : "The queue's copy is the same.";
  const told = `Good: signed by ${seen.kid} (${seen.alg}) at ${shownTime(seen.iat)}, until ${shownTime(seen.exp)}, for ${seen.maxRuns} run${seen.maxRuns === 1 ? '' : 's'}.
${compared}
Thumbprint of the key: ${seen.thumbprint}
Digest of what was signed: ${seen.payloadDigest}`;
  return { text: told, json: { good: true, compared: copy !== undefined, ...seen } };
}
