/** What a whole job waits for, as a step learns it from a service: so that nobody has to guess why nothing moves. */
import type { JobStatus, JobView } from '../protocol/jobs.js';
import type { SliceWait } from '../protocol/participant.js';
import type { Parts } from './dependencies.js';

interface Statuses {
  readonly waiting?: JobStatus;
  readonly working?: JobStatus;
}

/**
 * Tells of waiting for older transactions, and of its end, once each. The number is that of the phase: whatever the
 * workflow shows later counts as later.
 */
export function waitTeller(
  parts: Parts,
  job: JobView,
  service: string,
  number: number,
  { waiting, working }: Statuses,
): (wait: SliceWait | null) => Promise<void> {
  const { records, settings } = parts;
  let told = false;
  return async (wait) => {
    const older = wait?.kind === 'older_transaction' ? wait : null;
    if ((older !== null) === told) return;
    told = older !== null;
    const order = await parts.order(job.job_id, number);
    if (older === null) {
      await records.updateJob(job.job_id, order, {
        waitingFor: null,
        ...(working !== undefined && { status: working }),
      });
      return;
    }
    const until = new Date(Date.parse(older.since) + settings.olderTransactionLimitMs).toISOString();
    const blockers = older.blockers.length > 0 ? older.blockers.join(', ') : 'the open transactions';
    await records.updateJob(job.job_id, order, {
      waitingFor: {
        kind: 'older_transaction',
        since: older.since,
        until,
        who_can_act: `whoever runs the database of ${service}`,
        next_action: `Let ${blockers} end, or end them; it goes on by itself.`,
      },
      ...(waiting !== undefined && { status: waiting }),
    });
  };
}
