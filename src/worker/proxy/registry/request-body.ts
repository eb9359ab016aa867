import { bounded, type Call } from '../pass-on.js';
import { hasBody } from '../request-problem.js';
import { RegistryRefusal } from './registry-refusal.js';
import type { Body } from './send-to-registry.js';

/** Bytes of a manifest, as registries take them at most. It is held, so that it can be sent again with another token. */
const MOST_MANIFEST = 4 * 1024 * 1024;
/** Bytes. Most manifests are smaller. */
const FIRST_HELD = 16 * 1024;

/** Piece by piece, as the step sends it: never held, and never sent twice. */
export function streamed(call: Call): Body {
  if (!hasBody(call.request.headers)) return undefined;
  return (upstream, failed) => {
    continued(call);
    call.request.pipe(bounded(call.most.bodyBytes, failed)).pipe(upstream);
  };
}

/** @throws RegistryRefusal 413 for a manifest that is too large, before any of it is sent on */
export async function held(call: Call): Promise<Buffer> {
  const tooLarge = new RegistryRefusal(
    413,
    'SIZE_INVALID',
    `The manifest is larger than ${MOST_MANIFEST} bytes; registries take no larger one`,
  );
  if (Number(call.request.headers['content-length'] ?? 0) > MOST_MANIFEST) throw tooLarge;
  continued(call);
  // copied together: a step may send pieces of one byte, and each that is kept takes a hundred and more
  let [whole, bytes] = [Buffer.alloc(FIRST_HELD), 0];
  for await (const piece of call.request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    const length = bytes + piece.length;
    if (length > MOST_MANIFEST) throw tooLarge;
    if (length > whole.length) whole = Buffer.concat([whole], Math.max(length, 2 * whole.length));
    bytes += piece.copy(whole, bytes);
  }
  return whole.subarray(0, bytes);
}

/** The registry is never asked whether it will take the body: some say nothing until they have it. */
function continued({ request, answer }: Call): void {
  if (request.headers.expect !== undefined) answer.writeContinue();
}
