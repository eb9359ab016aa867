import { randomBytes } from 'node:crypto';
import createClient, { type Client } from 'openapi-fetch';
import type { Credentials } from '../credentials/ext.js';
import { authorizationHeader } from '../credentials/hawk.js';
import type { paths } from './types.js';

/** Where all that is asked for is in the body; the service wants the hash of these under the signature. */
const FORM_TYPE = 'application/x-www-form-urlencoded';

export interface ClientOptions {
  rootUrl: string;
  /** Asked at every request, so that a reclaim's fresh credentials are used from then on. Absent: anonymous. */
  credentials?: () => Credentials;
}

/**
 * A typed client of the service: `client.PUT('/api/queue/v1/task/{taskId}', { params: { path: { taskId } }, body })` answers
 * `{ data }` or `{ error }` by openapi.yaml. Every request is signed with Hawk, forms with what they hold.
 */
export function createLeaseholdClient({ rootUrl, credentials }: ClientOptions): Client<paths> {
  const client = createClient<paths>({ baseUrl: rootUrl });
  client.use({ onRequest: ({ request }) => (credentials ? signed(request, credentials()) : undefined) });
  return client;
}

async function signed(request: Request, credentials: Credentials): Promise<Request> {
  const { hostname, port, protocol, pathname, search } = new URL(request.url);
  const target = {
    method: request.method,
    resource: pathname + search,
    host: hostname,
    port: Number(port || (protocol === 'https:' ? 443 : 80)),
  };
  const nonce = randomBytes(9).toString('base64url');
  const contentType = request.headers.get('content-type') ?? '';
  const body = contentType.startsWith(FORM_TYPE) ? { contentType, text: await request.clone().text() } : undefined;
  request.headers.set('authorization', authorizationHeader(credentials, target, { nowMs: Date.now(), nonce, ...(body ? { body } : {}) }));
  return request;
}
