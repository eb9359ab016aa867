import type { components } from '../../client/types.js';
import { readKeySet } from '../../signatures/key-set.js';
import { SignatureError } from '../../signatures/signature-error.js';
import { SIGNATURE_POLICIES, type SignaturePolicy } from '../../signatures/signature-policy.js';
import { answerOf, type Client, clientOf, type Environment } from '../access.js';
import { CommandError } from '../command-error.js';
import { table } from '../table.js';
import { readText } from './files.js';
import { keyTable } from './key-table.js';
import { clock, type Outcome, readWords, text } from './options.js';

/* What the service does about signatures at a task queue: the only verbs that ask it. */

type Policy = components['schemas']['SignaturePolicyResponse'];
type Summary = components['schemas']['SignaturePolicySummary'];

const PATH = '/api/queue/v1/task-queues/{taskQueueId}/signature-policy';

/** The policy of a task queue, and whose signatures are believed there. */
export async function showPolicy(args: string[], environment: Environment): Promise<Outcome> {
  const taskQueueId = readWords(args, 1).positionals[0]!;
  const policy = await answerOf(clientOf(environment).GET(PATH, { params: { path: { taskQueueId } } }));
  return { text: told(policy), json: policy };
}

/** Sets it. The key set stays unless another one is given. */
export async function setPolicy(args: string[], environment: Environment): Promise<Outcome> {
  const words = readWords(args, 2, { keys: 'text' });
  const [taskQueueId, policy] = words.positionals as [string, string];
  if (!isPolicy(policy)) throw new CommandError(`a policy is ${SIGNATURE_POLICIES.join(', ')}, not ${JSON.stringify(policy)}`, 2);
  const file = text(words, 'keys');
  const keySet = file === undefined ? undefined : await readJwks(file);
  const request = { params: { path: { taskQueueId } }, body: { policy, ...(keySet && { keySet }) } };
  const set = await answerOf(clientOf(environment).PUT(PATH, request));
  return { text: told(set), json: set };
}

/** All task queues that were given a policy. */
export async function listPolicies(args: string[], environment: Environment): Promise<Outcome> {
  readWords(args, 0);
  const policies = await allPolicies(clientOf(environment));
  const rows = policies.map(({ taskQueueId, policy, keySetVersion, keys, updated, updatedBy }) => [
    taskQueueId,
    policy,
    String(keySetVersion ?? '-'),
    String(keys ?? '-'),
    updated,
    updatedBy ?? '-',
  ]);
  const shown = table([['TASK QUEUE', 'POLICY', 'KEY SET VERSION', 'KEYS', 'CHANGED', 'BY'], ...rows]);
  return { text: shown, json: { signaturePolicies: policies } };
}

async function allPolicies(client: Client): Promise<Summary[]> {
  const all: Summary[] = [];
  let query = {};
  for (;;) {
    const page = await answerOf(client.GET('/api/queue/v1/signature-policies', { params: { query } }));
    all.push(...page.signaturePolicies);
    if (page.continuationToken === undefined) return all;
    query = { continuationToken: page.continuationToken };
  }
}

const isPolicy = (word: string): word is SignaturePolicy => SIGNATURE_POLICIES.includes(word as SignaturePolicy);

/** As it is sent. What verifiers would not take is told here, with the name of the file. */
async function readJwks(file: string): Promise<Record<string, unknown>> {
  const given = await readText(file);
  try {
    readKeySet(given);
  } catch (error) {
    if (error instanceof SignatureError) throw new SignatureError(error.code, `${file}: ${error.detail}`);
    throw error;
  }
  return JSON.parse(given);
}

function told({ taskQueueId, policy, keySet, updated, updatedBy = 'nobody known' }: Policy): string {
  const since = updated === undefined ? 'as long as nobody sets another' : `set by ${updatedBy} at ${updated}`;
  const keys = keySet === undefined ? 'It has no key set.' : keyTable(readKeySet(JSON.stringify(keySet)), clock());
  return `${taskQueueId}: ${policy}, ${since}\n${keys}`;
}
