/**
 * The gate: approval, holds, cap and halt. The records say what the job waits for; the run shows it, waits to be woken, or
 * for a while, and asks again. It believes nothing that it was told before.
 */
import type { GateInput, GateState } from '../activities/types.js';
import type { JobPhase, WaitingFor } from '../protocol/jobs.js';
import { DecisionStands } from './errors.js';
import { records } from './proxies.js';
import type { Saga } from './saga.js';

/**
 * Waits at a step until nothing stands before it any more. `first` is what the records said already; left out, they are
 * asked. Gives whether it had to wait.
 */
export async function waitAtGate(saga: Saga, step: GateInput['step'], first?: WaitingFor): Promise<boolean> {
  let waits = first ?? (await ask(saga, step));
  if (waits === null) return false;
  while (waits !== null) {
    const phase = phaseOf(step, waits);
    saga.show({ status: 'waiting', phase, waitingFor: waits, outcome: null });
    await saga.wait(patienceOf(saga, waits));
    waits = await ask(saga, step);
  }
  return true;
}

async function ask(saga: Saga, step: GateInput['step']): Promise<WaitingFor | null> {
  const found: GateState = await records.askGate({ jobId: saga.jobId, step });
  saga.follow(found);
  if (saga.decided) throw new DecisionStands();
  return found.waitsFor ?? null;
}

function phaseOf(step: GateInput['step'], { kind }: WaitingFor): JobPhase {
  return step === 'suspend' && kind === 'approval' ? 'approval' : step;
}

/** The clocks of the records and of Temporal differ. */
const LEAST_WAIT_MS = 1_000;

/** Whoever ends the wait wakes the run; a message that was lost costs no more than this. */
function patienceOf(saga: Saga, { until }: WaitingFor): number {
  const usual = saga.known.settings.attentionRetryEveryMs;
  if (until === null) return usual;
  return Math.min(usual, Math.max(LEAST_WAIT_MS, Date.parse(until) - Date.now()));
}
