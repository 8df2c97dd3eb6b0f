/** How a job may end: its decision says it. */
import type { AbortCause, Decision, EndedStatus } from '../protocol/jobs.js';

/**
 * A person cancelled: `cancelled`. Nothing was touched: `refused`. Else `compensated`, which may also be said of a
 * failure before anything was touched. Without a decision a job does not end.
 */
export function allowedEnds(
  decision: Decision | null,
  cause: AbortCause | null,
  mayBeTouched: boolean,
): readonly EndedStatus[] {
  if (decision === null) return [];
  if (decision === 'proceed') return ['completed'];
  if (cause === 'cancel') return ['cancelled'];
  if (mayBeTouched) return ['compensated'];
  return cause === 'refusal' ? ['refused'] : ['refused', 'compensated'];
}
