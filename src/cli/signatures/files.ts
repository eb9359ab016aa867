import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { parseStrictJson } from '../../signatures/strict-json.js';
import { CommandError } from '../command-error.js';

/** Bytes. The largest definition is a half of it. */
const MOST_BYTES = 2 * 1024 * 1024;

const EVERYBODY = 0o077;
const OTHER_WRITERS = 0o022;

/** What is in a file, or comes on standard input if it is called `-`. */
export async function readText(file: string, most = MOST_BYTES): Promise<string> {
  if (file === '-') return readBounded(process.stdin, 'standard input', most);
  return withFile(file, (handle) => readBounded(handle.createReadStream({ autoClose: false }), file, most));
}

export async function readJson(file: string): Promise<unknown> {
  const text = await readText(file);
  try {
    return parseStrictJson(text);
  } catch (error) {
    throw new CommandError(`${nameOf(file)}: it ${(error as Error).message.replace(/^not/, 'is not')}`, 2);
  }
}

/** A private key as its file has it. One that others can read is no secret any more, so it is not used. */
export function readPrivateJwk(file: string): Promise<unknown> {
  return withFile(file, async (handle) => {
    const { mode } = await handle.stat();
    if (process.platform !== 'win32' && (mode & EVERYBODY) !== 0)
      throw new CommandError(`${file} is open to others than you; chmod 600 it, and replace the key if one of them may have read it`);
    const text = await readBounded(handle.createReadStream({ autoClose: false }), file);
    try {
      return parseStrictJson(text);
    } catch {
      throw new CommandError(`${file} is no private key; make one with keygen`, 2);
    }
  });
}

/** Whether others than its owner can change a file: then they say whose signatures are believed. */
export function isOpenToWriters(file: string): Promise<boolean> {
  return withFile(file, async (handle) => process.platform !== 'win32' && ((await handle.stat()).mode & OTHER_WRITERS) !== 0);
}

interface NewFile {
  file: string;
  text: string;
  mode: number;
}

/** Makes files that are not there yet: all of them, or none. Nothing is ever written over. */
export async function createFiles(files: readonly NewFile[]): Promise<void> {
  const made: string[] = [];
  try {
    for (const { file, text, mode } of files) {
      const handle = await open(file, 'wx', mode).catch((error) => refuse(error, file));
      made.push(file);
      await write(handle, text);
    }
  } catch (error) {
    for (const file of made) await rm(file, { force: true });
    throw error;
  }
}

/**
 * Puts another text into a file, or into the one that a link leads to. Whoever reads it meanwhile has the old one or the new one, and nobody
 * can read it who could not. Two at a time would lose one of the changes, so the second one is refused: the file beside it is the lock, too.
 */
export async function changeFile(file: string, change: (text: string) => Promise<string>): Promise<void> {
  const target = await realpath(file).catch((error) => refuse(error, file));
  const next = `${target}.next`;
  const handle = await open(next, 'wx', 0o600).catch((error) => {
    if (error.code === 'EEXIST')
      throw new CommandError(`${next} is there: ${file} is being changed. If that was cut off, remove it and try again`);
    return refuse(error, file);
  });
  try {
    const text = await change(await readText(target));
    await allowAs(target, handle).catch((error) => refuse(error, file));
    await write(handle, text);
    await rename(next, target).catch((error) => refuse(error, file));
  } catch (error) {
    await handle.close();
    await rm(next, { force: true });
    throw error;
  }
}

/** Only root can leave a file to whom it belongs; who else puts another one in its place owns that. */
async function allowAs(file: string, handle: FileHandle): Promise<void> {
  const { mode, uid, gid } = await stat(file);
  if (process.getuid?.() === 0) await handle.chown(uid, gid);
  await handle.chmod(mode & 0o777); // whatever the umask
}

async function write(handle: FileHandle, text: string): Promise<void> {
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function withFile<T>(file: string, work: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await open(file, 'r').catch((error) => refuse(error, file));
  try {
    return await work(handle);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    return refuse(error, file);
  } finally {
    await handle.close();
  }
}

async function readBounded(stream: AsyncIterable<Buffer>, name: string, most = MOST_BYTES): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > most) throw new CommandError(`${name} has more than ${most} bytes`, 2);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new CommandError(`${name} is not UTF-8`, 2);
  }
}

function refuse(error: unknown, file: string): never {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EEXIST') throw new CommandError(`${file} is there already and is not written over; take another name, or move it away`);
  if (code === 'ENOENT') throw new CommandError(`${file} is not there, or a folder on the way to it`, 2);
  throw new CommandError(`${file} cannot be used (${code ?? (error as Error).message})`, 2);
}

const nameOf = (file: string) => (file === '-' ? 'standard input' : file);
