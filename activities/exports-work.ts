/** Removes exports whose time is over, and what is left of those that were never finished. */
import { removeExpiredExports } from '../records/export-files.js';
import type { Records } from '../records/types.js';
import type { HousekeepingWork } from './housekeeping.js';

export interface ExportsParts {
  readonly records: Pick<Records, 'getJob' | 'expiredExports' | 'dropExport'>;
  readonly exportDirectory?: string;
}

export function createExportsWork({ records, exportDirectory = '' }: ExportsParts): HousekeepingWork {
  return async () => ({ outcome: await removeExpiredExports(records, exportDirectory), cursor: null });
}
