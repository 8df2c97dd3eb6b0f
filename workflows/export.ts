/**
 * The tenant's data, where it was asked for: out of the archives, so that what is exported is what is deleted. Whether it
 * was asked for is answered by the record, so histories from before there were exports never come here.
 */
import { atService, records } from './proxies.js';
import type { Saga } from './saga.js';

export async function exportData(saga: Saga, again = false): Promise<void> {
  if (!saga.known.exports) return;
  saga.show({ status: 'in_progress', phase: 'export', waitingFor: null });
  await atService.exportJob.executeWithOptions(saga.about('export'), [{ jobId: saga.jobId, again }]);
}

/** The rows are back, so what was exported is nothing that anybody is owed. */
export async function removeExport(saga: Saga): Promise<void> {
  if (saga.known.exports) await records.removeExport({ jobId: saga.jobId });
}
