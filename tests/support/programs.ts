/** The programs of this repository, as this run has compiled them. */
import { inject } from 'vitest';
import { programIn } from '../../local/programs.js';

/** The file of one, for Node to run; by its path in the repository without its ending. */
export function programFile(entry: string): string {
  return programIn(inject('programs'), entry);
}
