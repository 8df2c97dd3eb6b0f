/** The platform's own records have an end, too: what is older than they are kept goes as a whole. */
import { SAGA, writeEvent } from './audit.js';
import { removeOld } from './audit-sql.js';
import type { Database } from './database.js';
import type { ProofRecords } from './proof-types.js';

export function retentionRecords(database: Database): Pick<ProofRecords, 'removeOldRecords'> {
  return {
    removeOldRecords: ({ before, certificatesBefore = null }) =>
      database.transaction(async (client) => {
        const removed = await removeOld(
          client,
          new Date(before),
          certificatesBefore === null ? null : new Date(certificatesBefore),
        );
        const counts = {
          jobs: Number(removed.jobs),
          events: Number(removed.events),
          certificates: Number(removed.certificates),
        };
        if (counts.jobs + counts.events + counts.certificates > 0) {
          await writeEvent(client, {
            jobId: null,
            tenantId: null,
            actor: SAGA,
            action: 'old records removed',
            details: { before, certificates_before: certificatesBefore, ...counts },
          });
        }
        return counts;
      }),
  };
}
