/**
 * What a run asks the record so often that an activity each would be most of what it costs: done by the worker that has
 * the run's task, within the task. Both can be repeated, since what they write is numbered.
 */
import { patched, proxyLocalActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';
import type { JobState, OfJob, ShowInput } from '../activities/types.js';
import { records } from './proxies.js';

/** Less than the task may take. Where the record does not answer, nobody waits for it here. */
const here = proxyLocalActivities<Pick<Activities, 'readJob' | 'show'>>({
  startToCloseTimeout: 2_000,
  retry: { maximumAttempts: 1 },
});

export function readJob(input: OfJob): Promise<JobState> {
  return inPlace(
    () => here.readJob(input),
    () => records.readJob(input),
  );
}

/** `summary`: what Temporal's UI calls it. */
export function show(input: ShowInput, summary: string): Promise<void> {
  return inPlace(
    () => here.show.executeWithOptions({ summary }, [input]),
    () => records.show.executeWithOptions({ summary }, [input]),
  );
}

/** What fails within the task is an activity from then on: Temporal shows it, and repeats it until the record answers. */
async function inPlace<T>(locally: () => Promise<T>, asActivity: () => Promise<T>): Promise<T> {
  if (!patched('record-in-place')) return asActivity();
  try {
    return await locally();
  } catch {
    return asActivity();
  }
}
