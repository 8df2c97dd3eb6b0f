/** The steps after the pivot: they only go forward, and are repeated until they have succeeded. */
import { Context } from '@temporalio/activity';
import type { JobService } from '../protocol/jobs.js';
import type { Verification } from '../protocol/participant.js';
import { PROBLEMS, Problem, type ProblemCode } from '../protocol/problems.js';
import { type Parts, partOf } from './dependencies.js';
import { isGone } from './failures.js';
import { tryService } from './service-call.js';
import { bringTo } from './slices.js';
import type { OfService, StepInput, VerifiedService, VerifyInput } from './types.js';
import { waitTeller } from './waiting.js';

const ASK_AGAIN_MS = 250;
// A service of the simple level has no slices: it may need as long as it needs.
const SIMPLE_DELETE_MS = 120_000;

export function forwardSteps(parts: Parts) {
  const { settings } = parts;
  return {
    async purgeService({ jobId, service, number }: StepInput): Promise<void> {
      await bringTo(parts, await parts.openJob(jobId), service, 'purged', number);
    },

    /** Permanent deletion in one call, at a service that could not stage. */
    async deleteAtService({ jobId, service }: OfService): Promise<void> {
      const job = await parts.openJob(jobId);
      await tryService(parts, job, service, async ({ call }) => {
        const result = await call(
          'deleteNow',
          { params: { tenant_id: job.tenant_id }, query: { job_id: jobId } },
          { timeoutMs: Math.max(SIMPLE_DELETE_MS, settings.longestTransactionMs) },
        ).catch((error: unknown) => {
          // A repeated call may find no tenant any more; verification proves it.
          if (isGone(error)) return { success: true, deleted_counts: {}, errors: [] };
          throw error;
        });
        if (!result.success) throw unsuccessful(service, result.errors[0]?.code);
        const counts = mergedCounts(partOf(job, service)?.counts ?? [], result.deleted_counts);
        const rowsDone = counts.reduce((sum, { rows }) => sum + rows, 0);
        await parts.tell(jobId, { name: service, state: 'purged', counts, rowsDone, lastError: null });
      });
    },

    /** Asked until nothing from before the fence can come any more; then what it counts is what is left. */
    async verifyService({ jobId, service, number, mustBeClean }: VerifyInput): Promise<VerifiedService> {
      const job = await parts.openJob(jobId);
      return tryService(parts, job, service, async ({ call, patience, pause, giveUp }) => {
        const told = waitTeller(parts, job, service, number, {});
        for (;;) {
          const found = await call(
            'verification',
            { params: { tenant_id: job.tenant_id }, query: { job_id: jobId } },
            { timeoutMs: settings.longestTransactionMs },
          );
          Context.current().cancellationSignal.throwIfAborted();
          if (found.horizon_passed || found.horizon === null) {
            const clean = found.clean && found.rows_left === 0;
            await told(null);
            await parts.tell(jobId, {
              name: service,
              waitingFor: null,
              ...(clean && { verifiedAt: found.verified_at, horizon: found.horizon, lastError: null }),
            });
            if (!clean && mustBeClean) throw rowsLeft(service, found);
            if (clean) await parts.step(job, 'service verified', { service, rows_left: 0 });
            return { clean, rowsLeft: found.rows_left };
          }
          const waiting = found.waiting_for;
          patience.saw({ state: 'purged', rows_done: found.rows_left }, waiting);
          await parts.tell(jobId, { name: service, waitingFor: waiting });
          await told(waiting);
          if (patience.olderLeftMs <= 0) await giveUp(waiting, true);
          if (patience.leftMs <= 0) await giveUp(waiting, false);
          await pause(ASK_AGAIN_MS);
        }
      });
    },
  };
}

const MOST_NAMED = 10;

/** What is left, and where: such a job gets no certificate. */
function rowsLeft(service: string, { rows_left: rows, tables }: Verification): Problem {
  const where = tables.filter((table) => table.live_rows + table.archived_rows > 0);
  const named = where
    .slice(0, MOST_NAMED)
    .map(({ table, live_rows: live, archived_rows: archived }) =>
      archived > 0 ? `${table} ${live} and ${archived} archived` : `${table} ${live}`,
    );
  const more = where.length > MOST_NAMED ? `, and ${where.length - MOST_NAMED} tables more` : '';
  const places = named.length > 0 ? ` (${named.join(', ')}${more})` : '';
  const detail = `${service} still has ${rows} rows of the tenant${places}, although it was purged again and again. Find out who writes them; then replay.`;
  return new Problem('state_conflict', detail, { service, ...(where[0] && { table: where[0].table }) });
}

function unsuccessful(service: string, code: string | undefined): Problem {
  const known = code !== undefined && Object.hasOwn(PROBLEMS, code) ? (code as ProblemCode) : 'internal';
  return new Problem(known, `${service} has not deleted the tenant's rows (${known}).`, { service });
}

// A repeated call may count what is left, not what the first one deleted.
function mergedCounts(
  before: JobService['counts'],
  now: Readonly<Record<string, number>>,
): { table: string; rows: number }[] {
  const counts = new Map(before.map(({ table, rows }) => [table, rows]));
  for (const [table, rows] of Object.entries(now)) counts.set(table, Math.max(rows, counts.get(table) ?? 0));
  return [...counts].map(([table, rows]) => ({ table, rows }));
}
