/** Service tokens follow the decision, so that no run, however old, can restore here what is purged there. */
import { READING_ACTIONS, type TokenAction } from '../protocol/calls.js';
import type { Decision } from '../protocol/jobs.js';
import type { ServiceTokenRequest, TokenIssuer } from '../protocol/tokens.js';
import type { Records } from '../records/types.js';
import { DecisionForbids, JobWaits } from './failures.js';

/** Under which decision an action may be asked for; what is not listed, the worker never asks for. */
const ALLOWED_UNDER: Partial<Record<TokenAction, readonly (Decision | null)[]>> = {
  staged: [null],
  restored: ['abort'],
  purged: ['proceed'],
  // Setting it and lifting it have the same action; the directory refuses to set again what a job has lifted.
  suspension: [null, 'abort'],
};

/** Change what is left of jobs that have long ended, so no decision of an open one is about them. */
const AFTER_JOBS: readonly TokenAction[] = ['retained_erase'];

/** Gives a token where the record's decision allows it; throws `DecisionForbids`, or `JobWaits`, elsewhere. */
export function createTokenGiver(options: {
  readonly records: Pick<Records, 'decisionOf' | 'heldBack' | 'assertReleaseStands'>;
  readonly issuer: TokenIssuer;
}): (request: ServiceTokenRequest) => Promise<string> {
  return async (request) => {
    const { action, jobId } = request;
    if ((READING_ACTIONS as readonly TokenAction[]).includes(action)) return options.issuer.issue(request);
    if (AFTER_JOBS.includes(action)) return options.issuer.issue(request);
    if (action === 'released') {
      if (request.tenantId === undefined || jobId === undefined) throw new DecisionForbids(action, null);
      await options.records.assertReleaseStands(request.tenantId, jobId);
      return options.issuer.issue(request);
    }
    const allowed = ALLOWED_UNDER[action];
    if (allowed === undefined || jobId === undefined) throw new DecisionForbids(action, null);
    if (action !== 'staged') {
      const decision = (await options.records.decisionOf(jobId))?.decision ?? null;
      if (!allowed.includes(decision)) throw new DecisionForbids(action, decision);
      return options.issuer.issue(request);
    }
    // Asked for at each slice: a hold or a halt stops a stage that is under way.
    const { decision, waitingFor } = await options.records.heldBack(jobId);
    if (decision !== null) throw new DecisionForbids(action, decision.decision);
    if (waitingFor !== null) throw new JobWaits(`Nothing is staged while the job waits: ${waitingFor.kind}.`);
    return options.issuer.issue(request);
  };
}
