/** purge, directory and verify: only forward, and for as long as it takes. */
import type { JobPhase } from '../protocol/jobs.js';
import { Insistence } from './insist.js';
import { atService } from './proxies.js';
import type { Saga } from './saga.js';
import { participantsOf } from './state.js';

/** Rows that came while it was purged are purged again, this many times before somebody is asked to look. */
const MOST_PURGES = 3;

export async function purge(saga: Saga): Promise<void> {
  // An earlier run may have left off anywhere; the record tells which services there are.
  await saga.read();
  begin(saga, 'purge');
  const { reversible, simple } = participantsOf(saga.known);
  await insistence(saga).everywhere([...reversible, ...simple], (service) => purgeAt(saga, service));
}

/** Last of all: until here the owner could still see what was going on. */
export async function directory(saga: Saga): Promise<void> {
  const { directory: service } = participantsOf(saga.known);
  if (service === null) return;
  begin(saga, 'directory');
  await insistence(saga).at(service, () => purgeAt(saga, service));
}

export async function verify(saga: Saga): Promise<void> {
  begin(saga, 'verify');
  await insistence(saga).everywhere(participantsOf(saga.known).all, (service) => verifyAt(saga, service));
}

async function verifyAt(saga: Saga, service: string): Promise<void> {
  for (let purges = 0; ; purges += 1) {
    const last = purges === MOST_PURGES;
    const [input] = saga.input(service);
    const found = await atService.verifyService.executeWithOptions(saga.about(service), [
      { ...input, mustBeClean: last },
    ]);
    saga.notice(service, found);
    if (found.clean) return;
    await purgeAt(saga, service);
  }
}

function purgeAt(saga: Saga, service: string): Promise<void> {
  const step = participantsOf(saga.known).simple.includes(service)
    ? atService.deleteAtService
    : atService.purgeService;
  return step.executeWithOptions(saga.about(service), saga.input(service));
}

function begin(saga: Saga, phase: JobPhase): void {
  saga.show({ status: 'in_progress', phase, waitingFor: null, outcome: null });
}

function insistence(saga: Saga): Insistence {
  return new Insistence(saga, 'in_progress');
}
