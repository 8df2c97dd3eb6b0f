/** One zip, written as a stream under a temporary name; it has its own name only once it is whole and on the disk. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { PassThrough, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ZipFile as Yazl } from 'yazl';
import { Problem } from '../../protocol/problems.js';
import { exportPath, partialPath } from '../../records/export-files.js';

const FLUSH_BYTES = 64 * 1024;
const NEWLINE = Buffer.from('\n');

export class ExportZip {
  private readonly zip = new Yazl();
  private readonly hash = createHash('sha256');
  private readonly written: Promise<void>;
  private entry: PassThrough | null = null;
  private held: Uint8Array[] = [];
  private heldBytes = 0;
  private failure: unknown = null;
  /** Of the file, so far. */
  bytes = 0;

  private constructor(
    private readonly directory: string,
    private readonly jobId: string,
    private readonly partial: string,
  ) {
    const counted = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        this.hash.update(chunk);
        this.bytes += chunk.length;
        done(null, chunk);
      },
    });
    this.written = pipeline(
      this.zip.outputStream,
      counted,
      createWriteStream(partial, { flags: 'wx', mode: 0o600 }),
    );
    this.written.catch((error: unknown) => this.fail(error));
    this.zip.on('error', (error: unknown) => this.fail(error));
  }

  /** Throws `export_failed` where the directory cannot be written to, as everything here does. */
  static async create(directory: string, jobId: string): Promise<ExportZip> {
    const partial = partialPath(directory, jobId, randomBytes(6).toString('hex'));
    await toDisk(() => mkdir(directory, { recursive: true }));
    return new ExportZip(directory, jobId, partial);
  }

  /** Begins a file; what is written from now on goes there. */
  async begin(name: string): Promise<void> {
    await this.endEntry();
    this.entry = new PassThrough({ highWaterMark: 4 * FLUSH_BYTES });
    // Whoever waits for it is told by the event; nobody else has to be.
    this.entry.on('error', () => undefined);
    this.zip.addReadStream(this.entry, name, { mtime: new Date() });
  }

  async line(bytes: Uint8Array): Promise<void> {
    this.held.push(bytes, NEWLINE);
    this.heldBytes += bytes.length + 1;
    if (this.heldBytes >= FLUSH_BYTES) await this.flush();
  }

  /** The whole file under its own name, and what is to be known of it. */
  async finish(): Promise<{ readonly bytes: number; readonly sha256: string }> {
    await this.endEntry();
    this.zip.end();
    await toDisk(async () => {
      await this.written;
      const file = await open(this.partial, 'r');
      await file.sync();
      await file.close();
      await rename(this.partial, exportPath(this.directory, this.jobId));
      const folder = await open(this.directory, 'r');
      await folder.sync();
      await folder.close();
    });
    return { bytes: this.bytes, sha256: this.hash.digest('hex') };
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    this.fail(new Error('The export was given up.'));
    (this.zip.outputStream as PassThrough).destroy();
    await this.written.catch(() => undefined);
    await rm(this.partial, { force: true }).catch(() => undefined);
  }

  private async flush(): Promise<void> {
    const bytes = Buffer.concat(this.held);
    this.held = [];
    this.heldBytes = 0;
    const { entry } = this;
    if (entry === null) throw new Error('A line came before the file that it belongs to.');
    await toDisk(async () => {
      if (this.failure !== null) throw this.failure;
      if (!entry.write(bytes)) await once(entry, 'drain');
    });
  }

  private async endEntry(): Promise<void> {
    if (this.entry === null) return;
    if (this.heldBytes > 0) await this.flush();
    this.entry.end();
    this.entry = null;
  }

  private fail(error: unknown): void {
    this.failure ??= error;
    this.entry?.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

/** A full disk, or one that nobody may write to, is mended by people, not by trying again. */
async function toDisk<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Problem(
      'export_failed',
      `The export could not be written into EXPORT_DIR (${code ?? (error as Error).message}). Make room, or let the worker write there; then replay.`,
    );
  }
}
