/**
 * Receivers that have to agree before anything is staged. Which there are is answered with the job, so histories from before
 * there were any never come here; a run that goes on with a job asks them again, which changes nothing for those who agreed.
 */
import { atService } from './proxies.js';
import type { Saga } from './saga.js';
import { everywhereUnlessHeld } from './staging.js';

export async function preStage(saga: Saga): Promise<void> {
  const { receivers = [] } = saga.known;
  if (receivers.length === 0) return;
  saga.show({ status: 'in_progress', phase: 'suspend', waitingFor: null });
  await everywhereUnlessHeld(saga, receivers, 'suspend', (receiver) =>
    atService.askReceiver.executeWithOptions(saga.about(receiver), saga.input(receiver)),
  );
}
