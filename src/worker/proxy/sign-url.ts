import type { Credentials } from '../../credentials/ext.js';
import type { Call } from './pass-on.js';
import { malformed } from './refusal.js';
import type { ServiceRoot } from './service-root.js';

/** Characters. The service reads none that is longer. */
const LONGEST_URL = 4096;

/** `POST /bewit` with a URL as its body: where it can be read without credentials is in the header `location`, and in the answer's body. */
export async function signUrl({ request, answer }: Call, service: ServiceRoot, credentials: () => Credentials): Promise<void> {
  if (request.headers.expect !== undefined) answer.writeContinue();
  let url = '';
  for await (const piece of request.setEncoding('utf8')) {
    url += piece;
    if (url.length > LONGEST_URL) throw malformed(`The body is longer than ${LONGEST_URL} characters; send one URL`);
  }
  const location = service.signedUrl(credentials(), url.trim());
  answer.writeHead(303, { location, 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }).end(`${location}\n`);
}
