/** The activities as the workflow calls them: options by kind of work. */
import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';

const retry = { initialInterval: 200, backoffCoefficient: 2, maximumInterval: 10_000 };

/** Reads and writes of the record: short, and repeated until the records answer. */
export const records = proxyActivities<
  Pick<
    Activities,
    | 'readJob'
    | 'show'
    | 'askGate'
    | 'recordCheck'
    | 'markStaged'
    | 'decideAbort'
    | 'endJob'
    | 'requestOwnCancel'
    | 'removeExport'
  >
>({ startToCloseTimeout: 15_000, retry });

/** The certificate and the end: what goes wrong there is shown to a person, and tried again. */
export const certifying = proxyActivities<Pick<Activities, 'completeJob'>>({
  startToCloseTimeout: 30_000,
  retry,
});

/** The pivot: it is asked until it has said which decision stands. */
export const irreversible = proxyActivities<Pick<Activities, 'decideProceed'>>({
  startToCloseTimeout: 15_000,
  retry: { ...retry, maximumInterval: 5_000 },
});

/** Work at a service: it heartbeats, may take hours, and knows by itself when to give up. */
export const atService = proxyActivities<
  Pick<
    Activities,
    | 'checkService'
    | 'readLedger'
    | 'suspendTenant'
    | 'liftSuspension'
    | 'stageService'
    | 'restoreService'
    | 'purgeService'
    | 'deleteAtService'
    | 'verifyService'
    | 'exportJob'
    | 'askReceiver'
  >
>({
  startToCloseTimeout: '24h',
  heartbeatTimeout: 15_000,
  retry,
  // A step that is called off has stopped before its service is asked to go back.
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
});
