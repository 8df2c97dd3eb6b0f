/** Writing what a command fetches to a file: all of it, or nothing. */
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { UsageError } from './api-client.js';

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
