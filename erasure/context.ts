/** What every part of the engine works with. */
import type { Declaration } from './declaration.js';
import type { LedgerStore } from './ledger/store.js';
import type { AllLimits } from './limits.js';
import type { PlanSource } from './plan-source.js';
import type { EngineLogger, Scope, Sessions } from './session/session.js';

export interface EngineContext {
  readonly declaration: Declaration;
  readonly limits: AllLimits;
  readonly sessions: Sessions;
  readonly ledger: LedgerStore;
  readonly plans: PlanSource;
  readonly logger: EngineLogger | undefined;
}

/** A request's share of time. */
export interface Slice extends Scope {
  readonly tenantId: string;
  readonly jobId: string;
}
