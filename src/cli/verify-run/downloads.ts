import { createHash } from 'node:crypto';

/** Where bytes are. */
export interface Download {
  url: string;
}

/** Why bytes cannot be had; the message goes on from their name. */
export class NotThere extends Error {}

/** SHA-256 in hex, of bytes that are never held together. Throws NotThere. */
export async function digested(download: Download, mostBytes: number): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of bytesOf(download, mostBytes)) hash.update(chunk);
  return hash.digest('hex');
}

/** Throws NotThere. */
export async function wholeText(download: Download, mostBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytesOf(download, mostBytes)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Without their content encoding. Who serves them may be anybody: what is more than there should be is not read. */
async function* bytesOf({ url }: Download, mostBytes: number): AsyncGenerator<Uint8Array> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw new NotThere(`cannot be downloaded (${response.status})`);
    let length = 0;
    for await (const chunk of response.body ?? []) {
      length += chunk.length;
      if (length > mostBytes) throw new NotThere(`has more than ${Math.floor(mostBytes)} bytes`);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof NotThere) throw error;
    const { code } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
    throw new NotThere(`cannot be downloaded (${code ?? 'the connection broke'})`);
  }
}
