/** What the platform does to its own records: it signs their heads once a day, and removes what is too old. */
import type { SigningKeys } from '../protocol/keys.js';
import type { Records } from '../records/types.js';
import type { HousekeepingWork } from './housekeeping.js';

export interface RecordKeepingParts {
  readonly records: Pick<Records, 'signAuditHead' | 'removeOldRecords'>;
  readonly keeping: {
    readonly issuer: string;
    /** Read each time: a key that has been put there meanwhile signs at once. */
    readonly readKeys: () => Promise<SigningKeys>;
    /** Null: for ever. */
    readonly recordsMs: number | null;
    readonly certificatesMs: number | null;
  };
}

/** However often it runs, there is one head a day. */
export function createAuditHead({ records, keeping }: RecordKeepingParts): HousekeepingWork {
  return async () => {
    const { signing } = await keeping.readKeys();
    const head = await records.signAuditHead({ issuer: keeping.issuer, key: signing });
    return { outcome: { signed: head === null ? 0 : 1 }, cursor: null };
  };
}

export function createOldRecords({ records, keeping }: RecordKeepingParts): HousekeepingWork {
  return async ({ dueAt }) => {
    if (keeping.recordsMs === null) return { outcome: {}, cursor: null };
    const ago = (ms: number) => new Date(dueAt.getTime() - ms).toISOString();
    const removed = await records.removeOldRecords({
      before: ago(keeping.recordsMs),
      certificatesBefore: keeping.certificatesMs === null ? null : ago(keeping.certificatesMs),
    });
    return { outcome: { ...removed }, cursor: null };
  };
}
