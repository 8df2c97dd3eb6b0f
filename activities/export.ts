/** The tenant's data as one file, out of the archives: what is exported is what is deleted, or nothing is. */
import { Context } from '@temporalio/activity';
import type { JobView } from '../protocol/jobs.js';
import type { DeletionStatus } from '../protocol/participant.js';
import { Problem } from '../protocol/problems.js';
import { removeExportFiles } from '../records/export-files.js';
import { type Parts, partOf } from './dependencies.js';
import { differenceOf, type ExportedService, MANIFEST_FILE, manifestOf } from './export/manifest.js';
import { writeService } from './export/write-service.js';
import { ExportZip } from './export/zip-file.js';
import { DecisionForbids, failureOf } from './failures.js';
import { type ServiceTry, tryService } from './service-call.js';
import type { ExportInput, OfJob } from './types.js';

export interface ExportSettings {
  readonly directory: string;
  /** How long the file is kept after the window, by when it has been made. */
  readonly ttlMs: number;
}

const SHORT_PAUSE_MS = 250;

export function exportSteps(parts: Parts) {
  const { records, exports } = parts;

  return {
    /** From the beginning at each attempt: a file of an earlier one would have a hole where it broke off. */
    async exportJob({ jobId, again }: ExportInput): Promise<void> {
      const job = await parts.openJob(jobId);
      if (job.export?.state === 'made' && !again) return;
      if (exports === undefined) {
        const detail =
          'The worker has no EXPORT_DIR, so nothing can be exported. Configure one, then replay.';
        throw new Problem('export_failed', detail);
      }
      const zip = await ExportZip.create(exports.directory, jobId);
      try {
        const { rows } = await writeAll(parts, job, zip);
        const { bytes, sha256 } = await zip.finish();
        const kept = job.restore_window_ms + exports.ttlMs;
        const expiresAt = new Date(Date.now() + kept).toISOString();
        await records.recordExport(jobId, { bytes, rows, sha256, expiresAt });
      } catch (error) {
        await zip.discard();
        const found = await records.decisionOf(jobId);
        if (found === null) throw error;
        await removeExportFiles(exports.directory, jobId);
        throw new DecisionForbids('exported', found.decision);
      }
    },

    /** The rows are back: the file goes. What cannot be removed now, the housekeeping removes. */
    async removeExport({ jobId }: OfJob): Promise<void> {
      await records.dropExport(jobId, 'removed');
      if (exports === undefined) return;
      await removeExportFiles(exports.directory, jobId).catch((error: unknown) => {
        const facts = { job_id: jobId, reason: (error as NodeJS.ErrnoException).code ?? 'unknown' };
        Context.current().log.warn('an export was not removed', facts);
      });
    },
  };
}

async function writeAll(parts: Parts, job: JobView, zip: ExportZip): Promise<{ rows: number }> {
  const services: ExportedService[] = [];
  for (const { name, role, reversible } of job.services) {
    const staged = role === 'participant' && reversible;
    // What the disk refuses is no service's fault.
    const written = await tryService(parts, job, name, async (attempt) => {
      attempt.progress = () => ({ bytes: zip.bytes });
      try {
        return await writeOne(parts, job, zip, attempt, staged);
      } catch (error) {
        if (error instanceof Problem && error.code === 'export_failed') return error;
        throw error;
      }
    });
    if (written instanceof Problem) throw failureOf(written);
    services.push({ service: name, role, ...written });
  }
  const madeAt = new Date().toISOString();
  const manifest = manifestOf({ jobId: job.job_id, tenantId: job.tenant_id, madeAt, services });
  await zip.begin(MANIFEST_FILE);
  await zip.line(Buffer.from(JSON.stringify(manifest, null, 2)));
  return { rows: services.flatMap(({ tables }) => tables).reduce((sum, { rows }) => sum + rows, 0) };
}

type Exported = Omit<ExportedService, 'service' | 'role'>;

async function writeOne(
  parts: Parts,
  job: JobView,
  zip: ExportZip,
  attempt: ServiceTry,
  staged: boolean,
): Promise<Exported> {
  const { client } = attempt;
  const service = client.service.name;
  const status = staged ? await digested(parts, job, attempt) : null;
  const subject = { tenantId: job.tenant_id, jobId: staged ? job.job_id : null };
  const signal = Context.current().cancellationSignal;
  const idleMs = parts.settings.longestTransactionMs;
  let written: Awaited<ReturnType<typeof writeService>>;
  try {
    // Writing out what comes is work, not waiting, however long it takes.
    attempt.patience.beforeCall();
    written = await writeService(zip, service, client.exportRows(subject, { signal, timeoutMs: idleMs }));
    attempt.patience.worked();
  } catch (error) {
    // A service that cannot stage need not be able to export either; the manifest says so.
    if (!staged && error instanceof Problem && error.code === 'route_unknown') {
      return { source: 'none', head: null, tables: [] };
    }
    throw error;
  }
  const difference = status && differenceOf(written.tables, status.tables, status.digests);
  if (difference) {
    const detail = `${service}: ${difference.why} (${difference.table}). Nothing was deleted; everything goes back.`;
    throw new Problem('export_differs', detail, { service, table: difference.table });
  }
  return { source: staged ? 'archive' : 'live', ...written };
}

/** The ledger, with digests where the service takes them; taken in slices, as all work on rows is. */
async function digested(parts: Parts, job: JobView, attempt: ServiceTry): Promise<DeletionStatus> {
  const { settings } = parts;
  const { name } = attempt.client.service;
  const planHash = partOf(job, name)?.plan_hash ?? null;
  const params = { tenant_id: job.tenant_id, job_id: job.job_id };
  for (let slices = 1; ; slices += 1) {
    const began = Date.now();
    const status = await attempt.call(
      'advance',
      {
        params,
        body: {
          target: 'staged',
          time_budget_ms: settings.sliceMs,
          digests: true,
          ...(planHash !== null && { plan_hash: planHash }),
        },
      },
      { timeoutMs: settings.sliceMs + settings.longestTransactionMs },
    );
    const usedItsTime = Date.now() - began > settings.sliceMs / 2;
    // A service that takes no digests answers at once, and without.
    if (status.state === 'staged' && (status.digests !== undefined || !usedItsTime)) return status;
    const worked = status.state === 'staged' && usedItsTime ? slices : 0;
    attempt.patience.saw({ ...status, rows_done: status.rows_done + worked }, status.waiting_for);
    if (attempt.patience.leftMs <= 0) await attempt.giveUp(status.waiting_for, false);
    if (!usedItsTime) await attempt.pause(SHORT_PAUSE_MS);
  }
}
