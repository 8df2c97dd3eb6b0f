/** Brings one service to a state, slice after slice: the loop of stage, restore and purge. */
import { Context } from '@temporalio/activity';
import type { JobView } from '../protocol/jobs.js';
import type { DeletionStatus, DeletionTarget } from '../protocol/participant.js';
import { Problem } from '../protocol/problems.js';
import type { ServicePatch } from '../records/types.js';
import { type Parts, partOf } from './dependencies.js';
import { settleOtherJob } from './other-job.js';
import { type ServiceTry, tryService } from './service-call.js';
import { waitTeller } from './waiting.js';

const WRITE_EVERY_MS = 1_000;
// A service that says at once that it waits is not asked again at once.
const LEAST_SLICE_MS = 250;
/** Only while everything is still on its way in does the whole job wait; later it says so and keeps its status. */
const STAGING = { waiting: 'waiting', working: 'in_progress' } as const;

/** Ends when the service has reached the target; throws what ends an attempt. */
export function bringTo(
  parts: Parts,
  job: JobView,
  service: string,
  target: DeletionTarget,
  number: number,
): Promise<DeletionStatus> {
  return tryService(parts, job, service, async (attempt) => {
    const report = reporter(parts, job, service);
    const told = waitTeller(parts, job, service, number, target === 'staged' ? STAGING : {});
    let supersedes: string | undefined;
    for (;;) {
      let status: DeletionStatus;
      const began = Date.now();
      try {
        status = await advance(parts, job, attempt, target, supersedes);
      } catch (error) {
        const other = otherJobOf(error);
        if (other === null) throw error;
        const settled = await settleOtherJob(parts, job, service, attempt, other);
        // A backup may have brought it; what is erased again takes over what that job had archived.
        const supersedable = target === 'purged' || (target === 'staged' && Boolean(job.reapplies));
        if (settled === 'unknown' && !supersedable) throw unknownOther(service, other);
        // Asked again with a token that says so; if that does not help either, the error counts as one.
        if (settled === 'unknown' && supersedes === other) throw error;
        if (settled === 'unknown') supersedes = other;
        continue;
      }
      Context.current().cancellationSignal.throwIfAborted();
      if (status.state === target) {
        await report(status, true);
        await told(null);
        return status;
      }
      const moved = attempt.patience.saw(status, status.waiting_for);
      await report(status, false);
      await told(status.waiting_for);
      if (attempt.patience.olderLeftMs <= 0) await attempt.giveUp(status.waiting_for, true);
      if (attempt.patience.leftMs <= 0) await attempt.giveUp(status.waiting_for, false);
      if (!moved) await attempt.pause(Math.max(0, LEAST_SLICE_MS - (Date.now() - began)));
    }
  });
}

function advance(
  { settings }: Parts,
  job: JobView,
  attempt: ServiceTry,
  target: DeletionTarget,
  supersedes: string | undefined,
): Promise<DeletionStatus> {
  const planHash = partOf(job, attempt.client.service.name)?.plan_hash ?? null;
  return attempt.call(
    'advance',
    {
      params: { tenant_id: job.tenant_id, job_id: job.job_id },
      body: {
        target,
        time_budget_ms: settings.sliceMs,
        ...(target === 'staged' && planHash !== null && { plan_hash: planHash }),
      },
    },
    {
      // A transaction that cannot be cut may overrun its slice.
      timeoutMs: settings.sliceMs + settings.longestTransactionMs,
      ...(supersedes !== undefined && { token: { supersedesJobId: supersedes } }),
    },
  );
}

function otherJobOf(error: unknown): string | null {
  if (!(error instanceof Problem) || error.code !== 'other_job_open') return null;
  return error.extras.job_id ?? null;
}

function unknownOther(service: string, other: string): Problem {
  return new Problem(
    'state_conflict',
    `${service} holds an open job ${other} of this tenant that the records do not know. Find out where it comes from; nothing was changed.`,
    { service, job_id: other },
  );
}

/** Writes what a service tells, when it tells something new, and not more often than people read. */
function reporter(parts: Parts, job: JobView, service: string) {
  const before = partOf(job, service);
  let written = fingerprint(before?.state, before?.rows_done, before?.waiting_for?.kind);
  let state = before?.state;
  let writtenAt = 0;
  return async (status: DeletionStatus, reached: boolean): Promise<void> => {
    const now = fingerprint(status.state, status.rows_done, status.waiting_for?.kind);
    const due = reached || status.state !== state || Date.now() - writtenAt >= WRITE_EVERY_MS;
    if (!due || (now === written && !reached)) return;
    await parts.tell(job.job_id, patchOf(service, status, reached));
    written = now;
    state = status.state;
    writtenAt = Date.now();
  };
}

function fingerprint(...values: unknown[]): string {
  return JSON.stringify(values);
}

function patchOf(service: string, status: DeletionStatus, reached: boolean): ServicePatch {
  const done = reached && status.state !== 'restored';
  return {
    name: service,
    state: status.state,
    counts: status.tables,
    rowsDone: status.rows_done,
    rowsTotal: status.rows_total,
    waitingFor: status.waiting_for,
    ...(status.digests !== undefined && { digests: status.digests }),
    ...(status.orphan_users !== undefined && { orphanUsers: status.orphan_users }),
    // The error that made a job go back stays with the service; one that was got over does not.
    ...(done && { lastError: null }),
  };
}
