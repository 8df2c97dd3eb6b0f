/**
 * The saga. The job's record is the arbiter: whatever a run believes, it follows the decision that stands there.
 *
 * Runs may wait for weeks and move to the newest worker (workers are not versioned), so a change of what is called, or
 * in which order, goes behind `patched()`; tests/replay has histories of every way a run can end or wait.
 */
import { CancellationScope, patched } from '@temporalio/workflow';
import type { DeleteTenantInput } from '../protocol/workflow.js';
import { agreement, open } from './agreement.js';
import { certify } from './certificate.js';
import { close, type DeletionCompleted, end } from './closing.js';
import { compensate } from './compensation.js';
import { meaningOf } from './errors.js';
import { exportData, removeExport } from './export.js';
import { directory, purge, verify } from './forward.js';
import { pivot } from './pivot.js';
import { preStage } from './pre-stage.js';
import { Saga } from './saga.js';
import { readLedgers, stage, suspend } from './staging.js';
import { date, window } from './waits.js';

export { housekeeping } from './housekeeping.js';
export { releaseTombstones } from './releases.js';

/** Runs from before there were certificates end without one, in their histories alone. */
const CERTIFICATE = 'certificate';

export async function deleteTenant(input: DeleteTenantInput): Promise<DeletionCompleted> {
  const saga = new Saga(input);
  return CancellationScope.nonCancellable(async () => {
    try {
      return await run(saga);
    } catch (error) {
      if (meaningOf(error) !== 'ended') throw error;
      return close(saga, await saga.read());
    }
  });
}

async function run(saga: Saga): Promise<DeletionCompleted> {
  const { begun } = await open(saga);
  await saga.reversibly(async () => {
    if (!begun) {
      await date(saga);
      await agreement(saga);
    }
    await suspend(saga);
    await preStage(saga);
    await stage(saga);
    await exportData(saga);
    await window(saga);
    await readLedgers(saga);
  });
  await pivot(saga);
  if (saga.decided?.ended) return end(saga);
  if (saga.decided?.decision === 'abort') {
    await compensate(saga);
    await removeExport(saga);
    return end(saga);
  }
  await purge(saga);
  await directory(saga);
  await verify(saga);
  return patched(CERTIFICATE) ? certify(saga) : end(saga);
}
