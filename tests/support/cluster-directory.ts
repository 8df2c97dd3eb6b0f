/** Where a run's PostgreSQL keeps its data. */
import { existsSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive } from '../../local/lock.js';

const MEMORY = '/dev/shm';
const TMPFS = 0x01021994;
/** Of what a run needs, several times as much. */
const LEAST_FREE_BYTES = 4 * 1024 ** 3;
const PREFIX = 'lethe-tests-';

/**
 * A directory in memory, where this machine has room for one: databases come and go by the hundred, each of some hundred
 * files, which a file system on disk is slow to make and to remove. Null: there is no such place.
 */
export function directoryInMemory(): string | null {
  if (!existsSync(MEMORY)) return null;
  const { type, bavail, bsize } = statfsSync(MEMORY);
  if (type !== TMPFS || bavail * bsize < LEAST_FREE_BYTES) return null;
  return join(MEMORY, `${PREFIX}${process.pid}`);
}

/** Removes those of runs of ours that are gone. */
export function sweepMemory(): void {
  for (const name of existsSync(MEMORY) ? readdirSync(MEMORY) : []) {
    const pid = new RegExp(`^${PREFIX}(\\d+)$`).exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const path = join(MEMORY, name);
    if (statSync(path).uid === process.getuid?.()) rmSync(path, { recursive: true, force: true });
  }
}
