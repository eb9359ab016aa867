import type { Credentials } from '../../credentials/ext.js';
import type { Call } from './pass-on.js';
import { Refusal } from './refusal.js';

/** Where steps ask for the credentials of the run; and where programs written for other proxies set them. */
export const CREDENTIALS = '/credentials';

/** Tells a step the credentials of now. With them it can do what the run may, and end it: what its worker leaves says that they were told. */
export async function tellCredentials({ answer }: Call, { clientId, accessToken, certificate }: Credentials): Promise<void> {
  const told = `${JSON.stringify({ clientId, accessToken, ...(certificate !== undefined && { certificate }) })}\n`;
  const length = Buffer.byteLength(told);
  answer.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': length, 'cache-control': 'no-store' });
  answer.end(told);
}

/** Throws Refusal for a call that is none of theirs, and where steps are not to have them: then there is no such thing. */
export function assertTold(method: string, isTold: boolean): void {
  if (method !== 'GET')
    throw new Refusal(
      405,
      'InvalidRequestArguments',
      'Credentials are the worker’s to set, and are new after each reclaim; steps set none',
    );
  if (!isTold)
    throw new Refusal(404, 'ResourceNotFound', 'Steps of this task have no credentials: call the API by this proxy, which signs for them');
}
