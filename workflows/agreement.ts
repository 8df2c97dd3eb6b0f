/** open, check, approval and the rest of the gate: whether the job may begin to touch anything. */
import { condition } from '@temporalio/workflow';
import type { CheckedService, Fault } from '../activities/types.js';
import type { WaitingFor } from '../protocol/jobs.js';
import { DecisionStands, faultIn, meaningOf } from './errors.js';
import { waitAtGate } from './gate.js';
import { atService, records } from './proxies.js';
import type { Saga } from './saga.js';

/** How long a refusal waits for what the other services have to say. */
const OTHERS_WITHIN_MS = 5_000;

/** Reads the job. What is decided is followed; what was begun goes on, and is never refused any more. */
export async function open(saga: Saga): Promise<{ begun: boolean }> {
  const { services } = await saga.read();
  const begun = services.some(({ touched }) => touched);
  if (!saga.decided && !begun) saga.show({ status: 'in_progress', phase: 'open' });
  return { begun };
}

/**
 * Until all have agreed and nothing stands before the suspension. Whatever it had to wait for, the services are asked
 * again afterwards: what is approved has to be what is there.
 */
export async function agreement(saga: Saga): Promise<void> {
  for (;;) {
    const waitsFor = await check(saga);
    if (!waitsFor) return;
    await waitAtGate(saga, 'suspend', waitsFor);
  }
}

/** Asks every service whether it could; whoever could not ends the job here, with nothing touched. */
async function check(saga: Saga): Promise<WaitingFor | null> {
  saga.show({ status: 'in_progress', phase: 'check', waitingFor: null });
  const services = saga.known.registered;
  const checked: CheckedService[] = [];
  const refusals: Fault[] = [];
  let failure: unknown = null;
  let asked = services.length;
  for (const service of services) {
    atService.checkService
      .executeWithOptions(saga.about(service), saga.input(service))
      .then((answer) => {
        checked.push(answer);
        refusals.push(...answer.refusals);
      })
      .catch((error: unknown) => {
        if (meaningOf(error) === 'fault') refusals.push(faultIn(error, service));
        else failure = error;
      })
      .finally(() => {
        asked -= 1;
      });
  }
  await condition(() => asked === 0 || refusals.length > 0 || failure !== null);
  // Whoever mends it wants to know of all at once.
  if (asked > 0 && failure === null) await condition(() => asked === 0, OTHERS_WITHIN_MS);
  if (failure !== null) throw failure;
  if (refusals.length > 0) {
    saga.faults.push(...refusals);
    await saga.abort('refusal');
    throw new DecisionStands();
  }
  const { waitsFor = null, ...job } = await records.recordCheck({
    jobId: saga.jobId,
    number: saga.nextNumber(),
    checked: checked.sort((one, other) => (one.service < other.service ? -1 : 1)),
  });
  saga.learn(job);
  return waitsFor;
}
