import { createLeaseholdClient } from '../client/client.js';
import { CommandError } from './command-error.js';

export type Client = ReturnType<typeof createLeaseholdClient>;

export type Environment = Record<string, string | undefined>;

const SOURCE_IT = '`. data/credentials.env` sets them for a service that was started here';

/** The service that the environment names, called as the client that it names. */
export function clientOf(environment: Environment): Client {
  const [rootUrl, clientId, accessToken] = ['ROOT_URL', 'CLIENT_ID', 'ACCESS_TOKEN'].map((name) => needed(environment, name));
  if (!URL.canParse(rootUrl!)) throw new CommandError('TASKCLUSTER_ROOT_URL is no URL; set one like https://tasks.example.com');
  const certificate = environment.TASKCLUSTER_CERTIFICATE;
  const credentials = { clientId: clientId!, accessToken: accessToken!, ...(certificate && { certificate }) };
  return createLeaseholdClient({ rootUrl: rootUrl!, credentials: () => credentials });
}

function needed(environment: Environment, name: string): string {
  const value = environment[`TASKCLUSTER_${name}`];
  if (value) return value;
  throw new CommandError(`TASKCLUSTER_${name} is not set; set TASKCLUSTER_ROOT_URL, _CLIENT_ID and _ACCESS_TOKEN (${SOURCE_IT})`);
}

/** What was answered; a refusal, and that nobody answers, become a CommandError. */
export async function answerOf<T>(call: Promise<{ data?: T; error?: { code: string; message: string } }>): Promise<T> {
  const { data, error } = await call.catch((thrown: Error) => {
    const { code, message } = (thrown.cause ?? thrown) as { code?: string; message: string };
    const reason = code ?? message;
    throw new CommandError(`The service cannot be reached (${reason}); is it running, and is TASKCLUSTER_ROOT_URL right?`);
  });
  if (data !== undefined) return data;
  const message = error?.message?.split('\n\n---\n')[0] ?? 'something answered that is no Leasehold; is TASKCLUSTER_ROOT_URL right?';
  const fix = error?.code === 'AuthenticationFailed' ? '\nCheck TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN.' : '';
  throw new CommandError(`Refused: ${message}${fix}`);
}
