import { createHash } from 'node:crypto';

/** Where bytes are. */
export interface Download {
  url: string;
}

/** The least that is to come, from the question on: so many bytes in so many milliseconds. The last of them may be fewer. */
export interface Pace {
  bytes: number;
  within: number;
}

/** A byte now and then would keep us for ever. */
const SLOWEST: Pace = { bytes: 32 * 1024, within: 30_000 };

/** Why bytes cannot be had; the message goes on from their name. */
export class NotThere extends Error {}

/** SHA-256 in hex, of bytes that are never held together. Throws NotThere. */
export async function digested(download: Download, mostBytes: number, slowest = SLOWEST): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of bytesOf(download, mostBytes, slowest)) hash.update(chunk);
  return hash.digest('hex');
}

/** Throws NotThere. */
export async function wholeText(download: Download, mostBytes: number, slowest = SLOWEST): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytesOf(download, mostBytes, slowest)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Without their content encoding. Who serves them may be anybody: what is more than there should be is not read. */
async function* bytesOf({ url }: Download, mostBytes: number, slowest: Pace): AsyncGenerator<Uint8Array> {
  const come = { bytes: 0 };
  const tooSlow = new AbortController();
  const watch = watchOver(come, slowest, tooSlow);
  try {
    const response = await fetch(url, { signal: tooSlow.signal });
    if (!response.ok) throw new NotThere(`cannot be downloaded (${response.status})`);
    for await (const chunk of response.body ?? []) {
      come.bytes += chunk.length;
      if (come.bytes > mostBytes) throw new NotThere(`has more than ${Math.floor(mostBytes)} bytes`);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof NotThere) throw error;
    throw new NotThere(`cannot be downloaded (${tooSlow.signal.aborted ? tooSlow.signal.reason : reasonOf(error as Error)})`);
  } finally {
    clearInterval(watch);
  }
}

function watchOver(come: { bytes: number }, { bytes, within }: Pace, tooSlow: AbortController): NodeJS.Timeout {
  let before = 0;
  return setInterval(() => {
    if (come.bytes - before < bytes) tooSlow.abort(`fewer than ${bytes} bytes came in ${within / 1000} s`);
    before = come.bytes;
  }, within);
}

function reasonOf(error: Error): string {
  const { code } = (error.cause ?? error) as NodeJS.ErrnoException;
  return code ?? 'the connection broke';
}
