/** Files that commands read and write. */
import { createWriteStream } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { UsageError } from './api-client.js';

/** What is signed is well below, a certificate of some thousand tables, too. */
const LARGEST_FILE = 64 * 1024 * 1024;

/** Byte by byte: whoever checks a signature decides what a byte means. */
export async function readText(file: string): Promise<string> {
  const content = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${file} cannot be read: ${error.code ?? error.message}.`);
  });
  if (content.byteLength > LARGEST_FILE) throw new UsageError(`${file} is too large.`);
  return content.toString('latin1');
}

/** Writes all of it, or nothing. */
export async function saveTo(
  file: string,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const draft = `${file}.part`;
  try {
    await pipeline(Readable.from(content), createWriteStream(draft));
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    const { code, path } = error as NodeJS.ErrnoException;
    if (path === draft) throw new UsageError(`${file} cannot be written: ${code}.`);
    throw error;
  }
}
