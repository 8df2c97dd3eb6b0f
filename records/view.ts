/** A job's rows as everybody sees the job. */
import { z } from 'zod';
import type { Approval } from '../protocol/gate.js';
import { type JobService, type JobView, serviceError, waitingFor } from '../protocol/jobs.js';
import { fenceKind, orphanUsers, sliceWait, tableCount } from '../protocol/participant.js';
import type { Prisma } from './generated/client.js';
import { exportOf, usesOf } from './job-parts.js';

/** What a view is made of. */
export const withServices = {
  services: { orderBy: { name: 'asc' } },
  approvals: { orderBy: { givenAt: 'asc' } },
} as const satisfies Prisma.DeletionJobInclude;
export type JobRow = Prisma.DeletionJobGetPayload<{ include: typeof withServices }>;
type ServiceRow = JobRow['services'][number];

const storedCounts = z.array(tableCount);

export function viewOf(row: JobRow): JobView {
  const waivers = usesOf(row.waivers);
  const services = row.services.map((service) => ({
    ...serviceViewOf(service),
    waived: waivers.find((use) => use.service === service.name) ?? null,
  }));
  return {
    job_id: row.jobId,
    tenant_id: row.tenantId,
    status: row.status,
    phase: row.phase,
    reversible: row.decision !== 'proceed' && row.endedAt === null,
    decision: row.decision,
    abort_cause: row.abortCause,
    waiting_for: row.waitingFor === null ? null : waitingFor.parse(row.waitingFor),
    outcome: row.outcome,
    reason: row.reason,
    requested_by: row.requestedBy,
    requested_at: row.requestedAt.toISOString(),
    start_at: timeOf(row.startAt),
    due_at: timeOf(row.dueAt),
    overdue: row.endedAt === null && row.dueAt !== null && row.dueAt.getTime() < Date.now(),
    restore_window_ms: Number(row.restoreWindowMs),
    staged_at: timeOf(row.stagedAt),
    decided_at: timeOf(row.decidedAt),
    ended_at: timeOf(row.endedAt),
    replay_of: row.replayOf,
    approval_required: row.approvalRequired,
    approval_hash: row.approvalHash,
    approval_change: row.approvalChange,
    approvals: row.approvals.map(approvalViewOf),
    continued_by: row.continuedBy,
    reapplies: row.reapplies,
    scope: row.scope.length === 0 ? null : row.scope,
    preview_hash: row.previewHash,
    rows_total: row.rowsTotal === null ? null : Number(row.rowsTotal),
    rows_deleted: services
      .filter((service) => service.state === 'purged')
      .flatMap((service) => service.counts)
      .reduce((sum, { rows }) => sum + rows, 0),
    services,
    export: exportOf(row),
    waivers,
  };
}

function serviceViewOf(row: ServiceRow): JobService {
  return {
    name: row.name,
    role: row.role,
    reversible: row.reversible,
    fence: row.fence === null ? null : fenceKind.parse(row.fence),
    state: row.state,
    plan_hash: row.planHash,
    stage_requested_at: timeOf(row.stageRequestedAt),
    counts: storedCounts.parse(row.counts),
    rows_done: Number(row.rowsDone),
    rows_total: row.rowsTotal === null ? null : Number(row.rowsTotal),
    attempts: row.attempts,
    last_error: row.lastError === null ? null : serviceError.parse(row.lastError),
    waiting_for: row.waitingFor === null ? null : sliceWait.parse(row.waitingFor),
    verified_at: timeOf(row.verifiedAt),
    ...(row.orphanUsers !== null && { orphan_users: orphanUsers.parse(row.orphanUsers) }),
    updated_at: row.updatedAt.toISOString(),
  };
}

function approvalViewOf(row: JobRow['approvals'][number]): Approval {
  return {
    verdict: row.verdict,
    approval_hash: row.approvalHash,
    reason: row.reason,
    by: row.givenBy,
    role: row.givenRole,
    at: row.givenAt.toISOString(),
    expires_at: timeOf(row.expiresAt),
  };
}

function timeOf(date: Date | null): string | null {
  return date === null ? null : date.toISOString();
}
