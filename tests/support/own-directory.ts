/** A directory for processes that a test starts itself. */
import { join } from 'node:path';
import { stateDirectory } from '../../local/paths.js';

let made = 0;

/** By its name the next run knows whose it was: what a crash left running there is ended, and the directory removed. */
export function newDirectory(): string {
  made += 1;
  return join(stateDirectory, 'tests', 'platforms', `${process.pid}-${made}`);
}
