/** The pivot: the one transaction after which there is no way back. */
import { waitAtGate } from './gate.js';
import { irreversible } from './proxies.js';
import type { Saga } from './saga.js';
import { readLedgers } from './staging.js';

/**
 * Follows the decision that stands, which need not be the one that was asked for. Where the job has to wait first, every
 * ledger is read again afterwards: a hold may stand for years.
 */
export async function pivot(saga: Saga): Promise<void> {
  while (!saga.decided) {
    const { waitsFor, ...found } = await irreversible.decideProceed({ jobId: saga.jobId });
    saga.follow(found);
    if (saga.decided || !waitsFor) continue;
    await saga.reversibly(async () => {
      await waitAtGate(saga, 'pivot', waitsFor);
      await readLedgers(saga);
    });
  }
}
