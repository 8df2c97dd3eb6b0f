/** What keeps erased tenants gone, as far as the records have part in it. */
import { Problem } from '../protocol/problems.js';
import { isPublicTenantKey } from '../protocol/workflow.js';
import type { Database } from './database.js';
import { type ErasedRecords, erasedRecords } from './erased.js';
import { type HousekeepingRecords, housekeepingRecords } from './housekeeping.js';
import { type ReapplyRecords, reapplyRecords } from './reapply.js';
import { type ReleaseRecords, releaseRecords } from './releases.js';
import { type ReturnedRecords, returnedRecords } from './returned-rows.js';

export interface StaysGoneRecords
  extends ErasedRecords,
    ReturnedRecords,
    ReapplyRecords,
    ReleaseRecords,
    HousekeepingRecords {}

/** The hash that stands for a tenant's key elsewhere; null where it is the key, or nothing is configured. */
export type HashOf = (tenantId: string) => string | null;

export function staysGoneRecords(database: Database, hashOf: HashOf): StaysGoneRecords {
  return {
    ...erasedRecords(database, hashOf),
    ...returnedRecords(database),
    ...reapplyRecords(database, hashOf),
    ...releaseRecords(database, hashOf),
    ...housekeepingRecords(database),
  };
}

/** Without a way to hash it, a key that is no UUID has no hash. */
export function hashBy(publicKeyOf: ((tenantId: string) => string) | undefined): HashOf {
  return (tenantId) => {
    if (publicKeyOf === undefined || isPublicTenantKey(tenantId)) return null;
    try {
      return publicKeyOf(tenantId);
    } catch (error) {
      if (error instanceof Problem) return null;
      throw error;
    }
  };
}
