/** What API, reconciler and worker must agree on about the Temporal run. Constants and types only. */

export const TASK_QUEUE = 'lethe';
export const WORKFLOW_TYPE = 'deleteTenant';

/** The workflow's input. Nothing else: the job's record is the arbiter. */
export interface DeleteTenantInput {
  readonly job_id: string;
}

/** Memo by which a run is known to belong to a job. */
export const MEMO_JOB_ID = 'job_id';
/** The start that a run waits for, so that one that missed a new date is known; null once it has begun. */
export const MEMO_WAITS_UNTIL = 'waits_until';

/** Typed search attributes, registered at start-up where missing. */
export const SEARCH_ATTRIBUTES = {
  TenantId: 'Keyword',
  DeletionStatus: 'Keyword',
  FailedServices: 'KeywordList',
} as const;

/** Names of updates and queries. Every update carries the job id and is refused where it is another job's. */
export const UPDATE_WAKE = 'wake';
export const QUERY_STATUS = 'status';

/** A new date, another try, or that what it waited for at the gate may be over. */
export type WakeReason = 'rescheduled' | 'replay' | 'approval' | 'hold' | 'halt';

/**
 * Tells a run that the record has changed (a new date, a replay of what waits): it reads the record again and
 * acts on what stands there.
 */
export interface WakeUpdate {
  readonly job_id: string;
  readonly because: WakeReason;
}

/** How a run fails in Temporal where the deletion did not come to pass. */
export const FAILURE_COMPENSATED = 'Compensated';
export const FAILURE_REFUSED = 'Refused';

/** How an activity fails where the record forbids what it was about to do: the run reads the record and follows it. */
export const FAILURE_DECIDED = 'Decided';
export const FAILURE_JOB_ENDED = 'JobEnded';
/** A hold or a halt stands: the run waits for its end and tries the step again. */
export const FAILURE_WAITS = 'Waits';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether a tenant's key may be shown as it is (a UUID), or only as a keyed hash. */
export function isPublicTenantKey(tenantId: string): boolean {
  return UUID.test(tenantId);
}

/** The workflow id; `publicKey` is the tenant's UUID, or its keyed hash where tenants are known otherwise. */
export function workflowIdOf(publicKey: string): string {
  return `delete-tenant/${publicKey}`;
}
