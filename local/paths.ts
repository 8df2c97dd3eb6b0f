/** Where things lie on a laptop. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { readLocalConfig } from '../config.js';

/** The clone. */
export const projectRoot = resolve(import.meta.dirname, '..');

/** What this clone keeps between runs; safe to delete while nothing runs. */
export const stateDirectory = join(projectRoot, '.lethe');

/** What every clone of this user shares: built programs. */
export function cacheDirectory(): string {
  return join(readLocalConfig().XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'lethe');
}
