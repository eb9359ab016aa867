import { signTask } from '../../signatures/sign-task.js';
import { signerOf } from '../../signatures/signer.js';
import type { Definition } from '../../signatures/task-payload.js';
import { CommandError } from '../command-error.js';
import { readJson, readPrivateJwk } from './files.js';
import { clock, count, needed, type Outcome, readWords, text, type Words } from './options.js';

const OPTIONS = {
  key: 'text',
  audience: 'text',
  'task-id': 'text',
  'task-queue': 'text',
  'expires-in': 'text',
  'max-runs': 'text',
} as const;

/** The signature over a definition, just as it is in its file. */
export async function sign(args: string[]): Promise<Outcome> {
  const words = readWords(args, 1, OPTIONS);
  const audience = needed(words, 'audience', 'the name of the deployment, as its workers know it');
  const taskId = needed(words, 'task-id', 'the id under which the task is created');
  const signer = signerOf(await readPrivateJwk(needed(words, 'key', 'the file of a private key')));
  const definition = await readDefinition(words.positionals[0]!);
  const taskQueueId = text(words, 'task-queue') ?? definition.taskQueueId;
  if (typeof taskQueueId !== 'string') throw new CommandError('the definition names no taskQueueId; set it there, or give --task-queue', 2);
  const iat = clock();
  const context = { audience, taskId, taskQueueId, iat, exp: endOf(words, definition, iat), maxRuns: runsOf(words, definition) };
  const jws = await signTask(signer, context, definition);
  return { text: jws, json: { signature: jws, kid: signer.kid, alg: signer.alg, ...context } };
}

async function readDefinition(file: string): Promise<Definition> {
  const value = await readJson(file);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Definition;
  throw new CommandError('a definition is a JSON object', 2);
}

/** By default the deadline: after that there is nothing to run. A signature that outlives it would only be there to be abused. */
function endOf(words: Words, { deadline }: Definition, now: number): number {
  const given = count(words, 'expires-in');
  const end = typeof deadline === 'string' ? Math.floor(Date.parse(deadline) / 1000) : Number.NaN;
  if (given === undefined && Number.isNaN(end)) throw new CommandError('the definition has no deadline; give --expires-in, in seconds', 2);
  if (given !== undefined && now + given > end)
    throw new CommandError(`--expires-in ${given} is beyond the deadline ${deadline}; leave it out`);
  const exp = given === undefined ? end : now + given;
  if (exp <= now) throw new CommandError(given === undefined ? `the deadline ${deadline} has passed` : '--expires-in is 1 at least');
  return exp;
}

/** By default the first run and the retries that the definition asks for. */
function runsOf(words: Words, { retries }: Definition): number {
  return count(words, 'max-runs') ?? (Number.isInteger(retries) ? (retries as number) : 0) + 1;
}
