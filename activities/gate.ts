/** Asking the records whether a job may go on: the answer to every wait at the gate. */
import { Context } from '@temporalio/activity';
import { hasEnded } from '../protocol/jobs.js';
import type { GateAnswer, GateStep } from '../records/gate-types.js';
import type { Parts } from './dependencies.js';
import type { GateInput, GateState } from './types.js';

export function gateSteps(parts: Parts) {
  const { records } = parts;
  return {
    /** Whether the job may go on past a step, or what it waits for; a decision that stands comes before both. */
    async askGate({ jobId, step }: GateInput): Promise<GateState> {
      const job = await records.getJob(jobId);
      if (hasEnded(job.status)) {
        return { decision: job.decision, cause: job.abort_cause, ended: job.status, waitsFor: null };
      }
      return answerOfGate(await records.passGate(jobId, step), step, jobId);
    },
  };
}

export function answerOfGate({ decision, waitingFor }: GateAnswer, step: GateStep, jobId: string): GateState {
  if (waitingFor !== null) {
    // Whoever watches the logs is told, too: such a job goes on only when somebody acts, or the cap has a place.
    const facts = { job_id: jobId, step, waits_for: waitingFor.kind };
    Context.current().log.warn('a job waits at the gate', facts);
  }
  return {
    decision: decision?.decision ?? null,
    cause: decision?.cause ?? null,
    ended: null,
    waitsFor: waitingFor,
  };
}
