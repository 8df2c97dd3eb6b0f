/** What a job waits for at the gate, in words. It goes through Temporal's history: nothing that a person wrote is in it. */
import { type WaitingFor, waitingFor } from '../protocol/jobs.js';

interface Moment {
  readonly now: Date;
  /** What the job said until now: a wait of the same kind goes on. */
  readonly kept: unknown;
}

function waits(
  kind: WaitingFor['kind'],
  { now, kept }: Moment,
  about: Pick<WaitingFor, 'who_can_act' | 'next_action'> & { readonly until?: Date },
): WaitingFor {
  const { until, ...words } = about;
  const before = kept === null ? null : (waitingFor.safeParse(kept).data ?? null);
  return {
    kind,
    since: before?.kind === kind ? before.since : now.toISOString(),
    until: until?.toISOString() ?? null,
    ...words,
  };
}

export function waitsForResume(moment: Moment, haltedAt: Date): WaitingFor {
  return waits('halt', moment, {
    who_can_act: 'operator',
    next_action: `Everything before its pivot stands still since ${haltedAt.toISOString()}; "lethe jobs resume" lets it go on.`,
  });
}

export function waitsForHolds(moment: Moment, holds: number): WaitingFor {
  return waits('hold', moment, {
    who_can_act: 'approver',
    next_action: `${holds === 1 ? 'A legal hold keeps' : `${holds} legal holds keep`} the tenant; it goes on when the last one is lifted. An operator may cancel, which brings back what was staged.`,
  });
}

export function waitsForApproval(
  moment: Moment,
  about: { readonly hash: string | null; readonly expiredAt: Date | null; readonly change: string | null },
): WaitingFor {
  const { hash, expiredAt, change } = about;
  const why = [
    change === null ? '' : `What was approved has changed: ${change}. `,
    expiredAt === null ? '' : `The approval expired at ${expiredAt.toISOString()}. `,
  ].join('');
  return waits('approval', moment, {
    who_can_act: 'approver or operator, but not the requester',
    next_action: `${why}Look at the job, then approve or reject ${hash ?? 'what its check finds'}.`,
  });
}

export function waitsForCap(moment: Moment, most: number, per: 'hour' | 'day', until: Date): WaitingFor {
  return waits('cap', moment, {
    until,
    who_can_act: 'nobody; or whoever configures the cap',
    next_action: `No more than ${most} ${most === 1 ? 'tenant goes' : 'tenants go'} within ${per === 'hour' ? 'an hour' : 'a day'}; it goes on when there is a place.`,
  });
}
