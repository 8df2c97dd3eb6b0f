/** The certificate, over what was verified, and with it the end. */
import { close, type DeletionCompleted } from './closing.js';
import { Insistence } from './insist.js';
import { certifying } from './proxies.js';
import type { Saga } from './saga.js';
import { showFailedServices } from './search-attributes.js';
import { outcomeOf } from './state.js';

/** Who is named where no service is at fault. */
const PLATFORM = 'the platform';

/** Tried until it is signed and stored: nothing that was verified is lost meanwhile. */
export async function certify(saga: Saga): Promise<DeletionCompleted> {
  saga.show({ status: 'in_progress', phase: 'certificate', waitingFor: null, outcome: null });
  const outcome = outcomeOf('completed', { services: saga.known.services, waived: saga.waived }, []);
  await new Insistence(saga, 'in_progress').at(PLATFORM, async () => {
    const input = { jobId: saga.jobId, number: saga.nextNumber(), outcome };
    saga.learn(await certifying.completeJob(input));
  });
  showFailedServices([]);
  return close(saga, saga.known);
}
