/** The files of exports: one a job, under the job's id and nothing else; the record says whether one may be handed out. */
import { createReadStream, type ReadStream } from 'node:fs';
import { open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasEnded } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import type { Records } from './types.js';

/** What was written, but not to its end, by whoever is gone. */
const ABANDONED_AFTER_MS = 24 * 3_600_000;
const FILE = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.zip|\.[0-9a-f]+\.partial)$/;

export function exportPath(directory: string, jobId: string): string {
  return join(directory, `${jobId}.zip`);
}

/** Where an export is written until it is whole. */
export function partialPath(directory: string, jobId: string, attempt: string): string {
  return join(directory, `${jobId}.${attempt}.partial`);
}

/** Null where there is no file. */
export async function openExport(
  directory: string,
  jobId: string,
): Promise<{ readonly bytes: number; readonly stream: ReadStream } | null> {
  try {
    const file = await open(exportPath(directory, jobId));
    const { size } = await file.stat();
    return { bytes: size, stream: createReadStream('', { fd: file }) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** The file, and what is left of attempts at it; what is not there is not missed. */
export async function removeExportFiles(directory: string, jobId: string): Promise<void> {
  const names = (await readdir(directory)).filter((name) => name.startsWith(`${jobId}.`));
  for (const name of names) if (FILE.test(name)) await rm(join(directory, name), { force: true });
}

type Kept = Pick<Records, 'getJob' | 'expiredExports' | 'dropExport'>;

/**
 * Removes every file whose time is over, whose rows came back, or that was never finished. Whatever failed or was missed
 * before is found again here, since it goes by what lies there.
 */
export async function removeExpiredExports(records: Kept, directory: string): Promise<{ removed: number }> {
  for (const jobId of await records.expiredExports()) await records.dropExport(jobId, 'expired');
  let removed = 0;
  for (const name of await readdir(directory)) {
    const jobId = FILE.exec(name)?.[1];
    if (jobId === undefined) continue;
    const path = join(directory, name);
    if (!(await isOver(records, jobId, path))) continue;
    await rm(path, { force: true });
    removed += 1;
  }
  return { removed };
}

async function isOver(records: Kept, jobId: string, path: string): Promise<boolean> {
  try {
    const job = await records.getJob(jobId);
    const state = job.export?.state;
    if (path.endsWith('.partial')) {
      const age = Date.now() - (await stat(path)).mtimeMs;
      return hasEnded(job.status) || job.decision !== null || age > ABANDONED_AFTER_MS;
    }
    if (state === 'made') return false;
    // It may be whole and not be recorded yet.
    return state !== 'asked' || hasEnded(job.status);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    // A job that the records do not know may be in those that were lost: nobody could fetch the file any more.
    if (error instanceof Problem && error.code === 'job_unknown') return true;
    throw error;
  }
}
