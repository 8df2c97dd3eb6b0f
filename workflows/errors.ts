/** What a failed step means for the run. */
import { ActivityFailure, ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { isCancellation } from '@temporalio/workflow';
import type { Fault } from '../activities/types.js';
import { FAILURE_DECIDED, FAILURE_JOB_ENDED, FAILURE_WAITS } from '../protocol/workflow.js';

/** The reversible steps end here: the decision is made, whoever made it. */
export class DecisionStands extends Error {
  override readonly name = 'DecisionStands';
}

/**
 * `decided`, `ended`: the record has moved on; `called_off`: by this run itself; `waits`: at the gate; `fault`: a service,
 * or the platform.
 */
export type Meaning = 'decided' | 'ended' | 'called_off' | 'waits' | 'fault' | 'ours';

export function meaningOf(error: unknown): Meaning {
  if (error instanceof DecisionStands) return 'decided';
  if (isCancellation(error)) return 'called_off';
  const type = applicationFailureIn(error)?.type;
  if (type === FAILURE_DECIDED) return 'decided';
  if (type === FAILURE_JOB_ENDED) return 'ended';
  if (type === FAILURE_WAITS) return 'waits';
  // A fault of this code fails the workflow task, not the deletion: it goes on once the code is mended.
  return error instanceof TemporalFailure ? 'fault' : 'ours';
}

export function faultIn(error: unknown, service: string): Fault {
  const [detail] = applicationFailureIn(error)?.details ?? [];
  if (isFault(detail)) return { ...detail, service: detail.service ?? service };
  const code = applicationFailureIn(error)?.type ?? 'service_unavailable';
  return { service, code, table: null, privilege: null, sqlstate: null, olderTransaction: false };
}

function applicationFailureIn(error: unknown): ApplicationFailure | null {
  if (error instanceof ApplicationFailure) return error;
  return error instanceof ActivityFailure && error.cause instanceof ApplicationFailure ? error.cause : null;
}

function isFault(value: unknown): value is Fault {
  return typeof (value as Partial<Fault> | null | undefined)?.code === 'string';
}
