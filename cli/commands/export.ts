import { createHash } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { jobView } from '../../protocol/jobs.js';
import { ApiRefusal, UsageError } from '../api-client.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';

export interface ExportOptions {
  readonly out?: string;
}

/** `lethe jobs export JOB`: the tenant's data as a file, whole and with the digest that the job names, or not at all. */
export const exportJob: Command<ExportOptions, [id: string]> = async ({ api, out }, options, id) => {
  const path = `/api/v1/deletion-jobs/${encodeURIComponent(id)}`;
  const file = options.out ?? `${id}.zip`;
  if (existsSync(file)) throw new UsageError(`${file} exists already; nothing was fetched.`);
  const { export: made } = await api.call(jobView, 'GET', path);
  const partial = `${file}.${process.pid}.partial`;
  const hash = createHash('sha256');
  const hashed = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  try {
    const bytes = await api.download(`${path}/export`, 'application/zip, application/problem+json');
    await pipeline(bytes, hashed, createWriteStream(partial, { flags: 'wx', mode: 0o600 }));
    const sha256 = hash.digest('hex');
    if (sha256 !== made?.sha256) {
      const detail = `What arrived has another digest (${sha256}) than the export of the job (${made?.sha256 ?? 'none'}). It was not kept; fetch it again.`;
      throw new ApiRefusal(200, 'invalid_answer', detail, null);
    }
    await rename(partial, file);
    out.document({ file, sha256, bytes: made.bytes, rows: made.rows });
    out.line(`Written to ${out.strong(file)}: ${made.rows} rows, ${made.bytes} bytes, SHA-256 ${sha256}.`);
    return EXIT.ok;
  } finally {
    await rm(partial, { force: true });
  }
};
