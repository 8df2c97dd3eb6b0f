/** Every step that runs by itself. Whoever adds one adds its function here, and its interval in worker.ts. */
import { createExportsWork, type ExportsParts } from './exports-work.js';
import type { HousekeepingWorks } from './housekeeping.js';
import { createAuditHead, createOldRecords, type RecordKeepingParts } from './record-keeping.js';
import { createRetained, type RetainedParts } from './retained.js';
import { createSweep, type SweepParts } from './sweep.js';

export function createWorks(
  parts: SweepParts & RetainedParts & ExportsParts & RecordKeepingParts,
): HousekeepingWorks {
  return {
    sweep: createSweep(parts),
    retained: createRetained(parts),
    audit_head: createAuditHead(parts),
    records: createOldRecords(parts),
    ...(parts.exportDirectory !== undefined && { exports: createExportsWork(parts) }),
  };
}
