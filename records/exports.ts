/** What became of a job's export: it stands in the job's row, since everybody who reads the job reads it. */

import type { JobExport } from '../protocol/portability.js';
import { Problem } from '../protocol/problems.js';
import { SAGA, writeEvent } from './audit.js';
import type { Client, Database } from './database.js';
import { exportOf } from './job-parts.js';
import { lockedJob, readJob } from './lookup.js';
import type { MadeExport, PortabilityRecords } from './portability-types.js';

export function exportRecords(
  database: Database,
): Pick<PortabilityRecords, 'recordExport' | 'dropExport' | 'expiredExports'> {
  return {
    recordExport: (jobId, made) =>
      database.transaction(async (client) => {
        const job = await lockedJob(client, jobId);
        if (job.decision !== null || job.endedAt !== null) {
          throw new Problem('state_conflict', 'The job has been decided; an export is not kept any more.', {
            state: job.status,
            job_id: jobId,
          });
        }
        await write(client, jobId, keptOf(made, job.now));
        await writeEvent(client, {
          jobId,
          tenantId: job.tenantId,
          actor: SAGA,
          action: 'data exported',
          details: { rows: made.rows, bytes: made.bytes, sha256: made.sha256, expires_at: made.expiresAt },
        });
        return readJob(client, jobId);
      }),

    dropExport: (jobId, because) =>
      database.transaction(async (client) => {
        const job = await lockedJob(client, jobId);
        const row = await client.deletionJob.findUniqueOrThrow({
          where: { jobId },
          select: { options: true, export: true },
        });
        const kept = exportOf(row);
        if (kept === null || kept.state === 'removed') return;
        if (because === 'expired' && row.export === null) return;
        await write(client, jobId, { ...kept, state: because });
        await writeEvent(client, {
          jobId,
          tenantId: job.tenantId,
          actor: SAGA,
          action: 'export removed',
          details: { because },
        });
      }),

    expiredExports: async () => {
      const rows = await database.read((client) =>
        client.deletionJob.findMany({
          where: { export: { path: ['state'], equals: 'made' } },
          select: { jobId: true, options: true, export: true },
        }),
      );
      return rows.filter((row) => exportOf(row)?.state === 'expired').map(({ jobId }) => jobId);
    },
  };
}

function keptOf({ bytes, rows, sha256, expiresAt }: MadeExport, now: Date): JobExport {
  return { state: 'made', bytes, rows, sha256, made_at: now.toISOString(), expires_at: expiresAt };
}

async function write(client: Client, jobId: string, kept: JobExport): Promise<void> {
  await client.deletionJob.update({ where: { jobId }, data: { export: kept }, select: { jobId: true } });
}
