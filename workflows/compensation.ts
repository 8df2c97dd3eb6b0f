/** The way back: every service that was or may have been touched is restored, then the tenant is let in again. */
import { Insistence } from './insist.js';
import { atService } from './proxies.js';
import type { Saga } from './saga.js';
import { participantsOf } from './state.js';

export async function compensate(saga: Saga): Promise<void> {
  // From the record: earlier runs may have touched what this one has not.
  const { services } = await saga.read();
  const touched = services.filter((service) => service.touched).map(({ name }) => name);
  if (touched.length === 0) return;
  saga.show({ status: 'compensating', phase: 'restore', waitingFor: null, outcome: null });
  saga.showFaults();
  const insistence = new Insistence(saga, 'compensating');
  const { reversible, directory } = participantsOf(saga.known);
  await insistence.everywhere(
    reversible.filter((service) => touched.includes(service)),
    async (service) =>
      saga.notice(
        service,
        await atService.restoreService.executeWithOptions(saga.about(service), saga.input(service)),
      ),
  );
  if (directory === null || !touched.includes(directory)) return;
  await insistence.at(directory, (service) =>
    atService.liftSuspension.executeWithOptions(saga.about(service), saga.input(service)),
  );
}
