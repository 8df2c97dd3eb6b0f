/** A job as the API shows it, for tests that only look at one. */
import type { JobService, JobView } from '../../protocol/jobs.js';

const AT = '2026-11-24T12:00:00.000Z';

export function jobOf(changes: Partial<JobView> = {}): JobView {
  return {
    job_id: '0190b0a4-0000-7000-8000-00000000000a',
    tenant_id: '0190b0a4-0000-7000-8000-000000000001',
    status: 'in_progress',
    phase: 'stage',
    reversible: true,
    decision: null,
    abort_cause: null,
    waiting_for: null,
    outcome: null,
    reason: null,
    requested_by: '0190b0a4-0000-7000-8000-0000000000ff',
    requested_at: AT,
    start_at: null,
    due_at: null,
    overdue: false,
    restore_window_ms: 0,
    staged_at: null,
    decided_at: null,
    ended_at: null,
    replay_of: null,
    approval_required: false,
    approval_hash: null,
    approval_change: null,
    approvals: [],
    continued_by: null,
    preview_hash: null,
    rows_total: null,
    rows_deleted: 0,
    services: [],
    ...changes,
  };
}

export function serviceOf(name: string, changes: Partial<JobService> = {}): JobService {
  return {
    name,
    role: 'participant',
    reversible: true,
    state: 'staging',
    plan_hash: null,
    stage_requested_at: null,
    counts: [],
    rows_done: 0,
    rows_total: null,
    attempts: 1,
    last_error: null,
    waiting_for: null,
    verified_at: null,
    updated_at: AT,
    ...changes,
  };
}
