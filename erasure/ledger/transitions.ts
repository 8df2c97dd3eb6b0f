/** What each state of the ledger answers to each target: the whole table, as data. */
import type { LedgerState, Target } from '../engine-types.js';

export type Answer =
  /** Work, with the ledger in this state while it goes on. */
  { readonly go: Exclude<LedgerState, 'absent'> } | 'done' | 'state_conflict' | 'past_pivot';

export const TRANSITIONS: Readonly<Record<LedgerState, Readonly<Record<Target, Answer>>>> = {
  // A restore of what was never staged is recorded: a stage request that was delayed on its way is refused then.
  absent: { staged: { go: 'staging' }, restored: { go: 'restored' }, purged: { go: 'purging' } },
  staging: { staged: { go: 'staging' }, restored: { go: 'restoring' }, purged: { go: 'purging' } },
  staged: { staged: 'done', restored: { go: 'restoring' }, purged: { go: 'purging' } },
  restoring: { staged: 'state_conflict', restored: { go: 'restoring' }, purged: 'state_conflict' },
  restored: { staged: 'state_conflict', restored: 'done', purged: 'state_conflict' },
  purging: { staged: 'state_conflict', restored: 'past_pivot', purged: { go: 'purging' } },
  // Counts again, and sweeps what has come since.
  purged: { staged: 'state_conflict', restored: 'past_pivot', purged: { go: 'purged' } },
};

/** States in which a job is still under way. */
export const OPEN_STATES: readonly LedgerState[] = ['staging', 'staged', 'restoring', 'purging'];
