import { type SignedTaskRequest, signTaskRequest, type TaskRequest } from '../../client/sign-task-request.js';
import { NormalFormError } from '../../signatures/normal-form.js';
import { signTask } from '../../signatures/sign-task.js';
import { signerOf, type TaskSigner } from '../../signatures/signer.js';
import { contextFor, type SigningTerms } from '../../signatures/signing-context.js';
import { CommandError } from '../command-error.js';
import { readJson, readPrivateJwk } from './files.js';
import { clock, count, flag, needed, type Outcome, readWords, text } from './options.js';

const OPTIONS = {
  key: 'text',
  audience: 'text',
  'task-id': 'text',
  'task-queue': 'text',
  'expires-in': 'text',
  'max-runs': 'text',
  'as-is': 'flag',
  request: 'flag',
} as const;

/** The signature over a definition: over its normal form, or just as it is in its file. */
export async function sign(args: string[]): Promise<Outcome> {
  const words = readWords(args, 1, OPTIONS);
  if (flag(words, 'as-is') && flag(words, 'request'))
    throw new CommandError('--request prints what createTask takes, which is in normal form; leave --as-is out', 2);
  const now = clock();
  const expiresIn = count(words, 'expires-in');
  const terms: SigningTerms = {
    audience: needed(words, 'audience', 'the name of the deployment, as its workers know it'),
    taskId: needed(words, 'task-id', 'the id under which the task is created'),
    taskQueueId: text(words, 'task-queue'),
    now,
    expires: expiresIn === undefined ? undefined : now + expiresIn,
    maxRuns: count(words, 'max-runs'),
  };
  const signer = signerOf(await readPrivateJwk(needed(words, 'key', 'the file of a private key')));
  const definition = await readDefinition(words.positionals[0]!);
  const body = flag(words, 'as-is') ? await asIs(signer, definition, terms) : await normalized(signer, definition, terms);
  if (flag(words, 'request')) return { text: JSON.stringify(body, null, 2), json: body };
  const { signature, ...signed } = body;
  return { text: signature, json: { signature, kid: signer.kid, alg: signer.alg, ...contextFor(signed, terms) } };
}

async function asIs(signer: TaskSigner, definition: TaskRequest, terms: SigningTerms): Promise<SignedTaskRequest> {
  return { ...definition, signature: await signTask(signer, contextFor(definition, terms), definition) };
}

async function normalized(signer: TaskSigner, given: TaskRequest, { taskQueueId, ...terms }: SigningTerms): Promise<SignedTaskRequest> {
  const definition = { ...(taskQueueId !== undefined && { taskQueueId }), ...given };
  if (taskQueueId !== undefined && definition.taskQueueId !== taskQueueId)
    throw new CommandError('--task-queue is not the taskQueueId of the definition; leave it out', 2);
  try {
    return await signTaskRequest(signer, { ...terms, definition });
  } catch (error) {
    if (error instanceof NormalFormError) throw new CommandError(`the definition has no normal form: ${error.message}`, 2);
    throw error;
  }
}

async function readDefinition(file: string): Promise<TaskRequest> {
  const value = await readJson(file);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as TaskRequest;
  throw new CommandError('a definition is a JSON object', 2);
}
