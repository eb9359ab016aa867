import type { components } from '../client/types.js';
import { answerOf, type Client, clientOf } from './access.js';
import { CommandError } from './command-error.js';
import { table } from './table.js';

/* `npm run keys`: the keys that sign tokens, listed and replaced. */

type SigningKey = components['schemas']['SigningKeyResponse'];

const USAGE = `Usage: npm run keys -- list | rotate <ES256|RS256> | compromise <kid>   [--json]

  list        the keys that verifiers are told, and those that are believed no more
  rotate      publish a new key; it signs ten minutes later, when all verifiers can know it
  compromise  believe nothing any more that a key has signed, at once, and sign with another one

  TASKCLUSTER_ROOT_URL, _CLIENT_ID and _ACCESS_TOKEN name the service, and as whom it is called.`;

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const [verb, of, ...rest] = words.filter((word) => word !== '--json');
  if (verb === undefined || rest.length > 0 || (verb === 'list') !== (of === undefined)) throw new CommandError(USAGE, 2);
  const keys = await run(clientOf(process.env), verb, of ?? '');
  console.log(words.includes('--json') ? JSON.stringify({ keys }, null, 2) : shown(keys));
}

/** The keys that it is about. */
async function run(client: Client, verb: string, of: string): Promise<SigningKey[]> {
  if (verb === 'list') return (await answerOf(client.GET('/api/auth/v1/keys'))).keys;
  if (verb === 'rotate') return [await answerOf(client.POST('/api/auth/v1/keys/{alg}/rotate', { params: { path: { alg: of } } }))];
  if (verb !== 'compromise') throw new CommandError(USAGE, 2);
  return [await answerOf(client.POST('/api/auth/v1/keys/{kid}/compromise', { params: { path: { kid: of } } }))];
}

function shown(keys: SigningKey[]): string {
  const rows = keys.map(({ kid, alg, state, ...times }) => [
    kid,
    alg,
    state,
    times.activeFrom,
    times.retiredAt ?? '-',
    times.deleteAfter ?? '-',
  ]);
  return table([['KID', 'ALG', 'STATE', 'SIGNS FROM', 'UNTIL', 'DELETED AFTER'], ...rows]);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof CommandError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
