/** suspend, stage and what is looked at right before the pivot: everything here can be brought back. */
import type { Fault } from '../activities/types.js';
import type { JobPhase } from '../protocol/jobs.js';
import { DecisionStands, meaningOf } from './errors.js';
import { exportData } from './export.js';
import { waitAtGate } from './gate.js';
import { atService, records } from './proxies.js';
import type { Saga } from './saga.js';
import { participantsOf } from './state.js';

/** A service that loses its staging again and again does not get to the pivot. */
const MOST_ROUNDS = 5;

/** The semantic lock, in the tenant directory; a company without one relies on the fences. */
export async function suspend(saga: Saga): Promise<void> {
  const { directory } = participantsOf(saga.known);
  if (directory === null || saga.known.reapplies) return;
  saga.show({ status: 'in_progress', phase: 'suspend', waitingFor: null });
  await atService.suspendTenant.executeWithOptions(saga.about(directory), saga.input(directory));
}

/**
 * Stages everywhere at once. Each activity enters its service into the record before it calls it: that entry is the
 * compensation, registered where it survives this run.
 */
export async function stage(saga: Saga): Promise<void> {
  saga.show({ status: 'in_progress', phase: 'stage', waitingFor: null });
  await stageAt(saga, participantsOf(saga.known).reversible);
  saga.learn(await records.markStaged({ jobId: saga.jobId, number: saga.nextNumber() }));
}

function stageAt(saga: Saga, services: readonly string[]): Promise<void> {
  return everywhereUnlessHeld(saga, services, 'stage', (service) =>
    atService.stageService.executeWithOptions(saga.about(service), saga.input(service)),
  );
}

/** Runs a step at all of them at once; a hold or the halt stops it, and it is run again when that is over. */
export function everywhereUnlessHeld(
  saga: Saga,
  names: readonly string[],
  phase: JobPhase,
  step: (name: string) => Promise<unknown>,
): Promise<void> {
  // What stops one of them stops them all: they wait together.
  let waiting: Promise<void> | null = null;
  const wait = () => {
    waiting ??= untilItMayGoOn(saga, phase).finally(() => {
      waiting = null;
    });
    return waiting;
  };
  return saga.everywhere(names, async (name) => {
    for (;;) {
      try {
        await step(name);
        return;
      } catch (error) {
        if (meaningOf(error) !== 'waits') throw error;
      }
      await wait();
    }
  });
}

/** A hold or the halt has stopped a stage between two slices; what is staged rests where it is. */
async function untilItMayGoOn(saga: Saga, phase: JobPhase): Promise<void> {
  await waitAtGate(saga, 'stage');
  saga.show({ status: 'in_progress', phase, waitingFor: null });
}

/** Every ledger once more: a backup may have brought a service back, and the registry may be another one. */
export async function readLedgers(saga: Saga): Promise<void> {
  saga.show({ status: 'in_progress', phase: 'pivot', waitingFor: null });
  const { registered, services } = await saga.read();
  if (saga.decided) throw new DecisionStands();
  await abortOn(saga, registryFaults(registered, services));
  let toRead: readonly string[] = participantsOf(saga.known).reversible;
  for (let round = 1; toRead.length > 0; round += 1) {
    const stageAgain: string[] = [];
    const faults: Fault[] = [];
    await saga.everywhere(toRead, async (service) => {
      const read = await atService.readLedger.executeWithOptions(saga.about(service), saga.input(service));
      if (read.stageAgain) stageAgain.push(service);
      if (read.fault) faults.push(read.fault);
    });
    if (round > MOST_ROUNDS) faults.push(...stageAgain.map((service) => faultOf(service, 'staging_lost')));
    await abortOn(saga, faults);
    await stageAt(saga, stageAgain);
    if (stageAgain.length > 0) await exportData(saga, true);
    toRead = stageAgain;
  }
}

async function abortOn(saga: Saga, faults: readonly Fault[]): Promise<void> {
  if (faults.length === 0) return;
  saga.faults.push(...faults);
  await saga.abort('failure');
  throw new DecisionStands();
}

function registryFaults(
  registered: readonly string[],
  services: readonly { readonly name: string }[],
): Fault[] {
  const checked = services.map(({ name }) => name);
  const changed = [
    ...registered.filter((name) => !checked.includes(name)),
    ...checked.filter((name) => !registered.includes(name)),
  ];
  return changed.sort().map((name) => faultOf(name, 'registry_changed'));
}

function faultOf(service: string, code: string): Fault {
  return { service, code, table: null, privilege: null, sqlstate: null, olderTransaction: false };
}
