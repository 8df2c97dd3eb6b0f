/** The pivot: the one transaction after which there is no way back. */
import { irreversible } from './proxies.js';
import type { Saga } from './saga.js';

/** Answers the decision that stands, which need not be the one that was asked for. */
export async function pivot(saga: Saga): Promise<void> {
  if (saga.decided) return;
  saga.follow(await irreversible.decideProceed({ jobId: saga.jobId }));
}
