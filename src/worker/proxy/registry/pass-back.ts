import type { OutgoingHttpHeaders } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Call } from '../pass-on.js';
import type { Reply } from './exchange.js';
import { headersToStep } from './registry-headers.js';
import { RegistryRefusal } from './registry-refusal.js';

/**
 * Sends a registry's answer to the step, piece by piece. `written` are headers of ours. Where it is known why it was refused, the step is
 * told that instead of what the registry says.
 *
 * @throws RegistryRefusal then
 */
export async function passBack({ request, answer, signal, most }: Call, reply: Reply, written: OutgoingHttpHeaders = {}): Promise<void> {
  const { answer: theirs, explained } = reply;
  const { statusCode: status = 502 } = theirs;
  try {
    if (explained !== undefined && (status === 401 || status === 403))
      throw new RegistryRefusal(status, status === 401 ? 'UNAUTHORIZED' : 'DENIED', explained);
    answer.writeHead(status, { ...headersToStep(theirs.headers), ...written });
    answer.setTimeout(most.idleMs, () => answer.destroy()); // of who does not read it
    await pipeline(theirs, answer, { signal });
  } finally {
    request.unpipe();
    theirs.destroy();
  }
}
