/** Lifting tombstones for good: the tenant's key was given to somebody new. The ledger keeps what was done. */
import { EngineError } from '../engine-types.js';
import type { Session } from '../session/session.js';
import type { LedgerStore } from './store.js';

/** No job has this id, so every open one counts. */
const NO_JOB = '00000000-0000-0000-0000-000000000000';

/** Refused while a job of the tenant is open: its tombstone keeps late writes out until its end. */
export async function releaseTombstones(
  ledger: LedgerStore,
  session: Session,
  tenantId: string,
): Promise<number> {
  const open = await ledger.findOther(session, tenantId, NO_JOB);
  if (open !== null) {
    throw new EngineError(
      'other_job_open',
      `A deletion job of this tenant is ${open.state} here. It has to be brought to its own end first.`,
      { jobId: open.jobId, state: open.state },
    );
  }
  return ledger.liftEndedTombstones(session, tenantId);
}
