/** How a run closes: the record first, then Temporal accordingly. */
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { JobState } from '../activities/types.js';
import type { EndedStatus } from '../protocol/jobs.js';
import { FAILURE_COMPENSATED, FAILURE_REFUSED } from '../protocol/workflow.js';
import { records } from './proxies.js';
import type { Saga } from './saga.js';
import { showFailedServices, showStatus } from './search-attributes.js';
import { endOf, outcomeOf } from './state.js';

/** Temporal delivers a cancel request within a moment; a run does not stay open for one that got lost. */
const CANCEL_WITHIN_MS = 60_000;

export interface DeletionCompleted {
  readonly job_id: string;
  readonly status: 'completed';
}

/** Writes the end that the decision fixes, and closes the run by it. */
export async function end(saga: Saga): Promise<DeletionCompleted> {
  if (saga.decided?.ended) return close(saga, await saga.read());
  const { services, faults: kept } = saga.known;
  const touched = services.some((service) => service.touched);
  const completed = saga.decided?.decision === 'proceed';
  const status: EndedStatus = completed ? 'completed' : endOf(saga.decided?.cause ?? null, touched);
  // A run that began after the decision knows the reasons from the record alone.
  const faults = saga.faults.length > 0 ? saga.faults : kept;
  const outcome = outcomeOf(status, { services, waived: saga.waived }, faults);
  const input = { jobId: saga.jobId, number: saga.nextNumber(), status, outcome };
  showFailedServices(status === 'completed' || status === 'cancelled' ? [] : faults);
  return close(saga, saga.learn(await records.endJob(input)));
}

/** The job has ended, by this run or by another one. */
export async function close(saga: Saga, job: JobState): Promise<DeletionCompleted> {
  const status = job.ended;
  if (status === null) throw new Error('The job has not ended.');
  showStatus(status);
  saga.see({ status, phase: 'ended', waiting_for: null, attention: [] });
  const outcome = outcomeOf(
    status,
    { ...job, waived: saga.waived },
    saga.faults.length > 0 ? saga.faults : job.faults,
  );
  return closeAs(saga, status, outcome);
}

async function closeAs(saga: Saga, status: EndedStatus, outcome: string): Promise<DeletionCompleted> {
  switch (status) {
    case 'completed':
      return { job_id: saga.jobId, status };
    case 'refused':
      throw ApplicationFailure.nonRetryable(outcome, FAILURE_REFUSED);
    case 'compensated':
      throw ApplicationFailure.nonRetryable(outcome, FAILURE_COMPENSATED);
    case 'cancelled':
      // The record may have been told while Temporal could not be.
      if (!saga.cancelRequested) {
        await records.requestOwnCancel();
        await saga.untilCancelRequested(CANCEL_WITHIN_MS);
      }
      throw new CancelledFailure(outcome);
  }
}
