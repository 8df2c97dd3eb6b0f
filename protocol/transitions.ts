/**
 * What a service answers to each target in each state of its ledger, as data: `docs/protocol.md` shows this table,
 * and every service is tested by it.
 */
import type { DeletionTarget, LedgerState } from './participant.js';
import type { ProblemCode } from './problems.js';

/**
 * `works`: it goes on towards the target, its ledger in the state `meanwhile`; 200 when there, 202 before.
 * `done`: the target is the state, and nothing is left to do. `refused`: 409 with this code, and nothing changes.
 */
export type Transition =
  | { readonly answer: 'works'; readonly meanwhile: Exclude<LedgerState, 'absent'> }
  | { readonly answer: 'done' }
  | { readonly answer: 'refused'; readonly code: Extract<ProblemCode, 'state_conflict' | 'past_pivot'> };

const works = (meanwhile: Exclude<LedgerState, 'absent'>): Transition => ({ answer: 'works', meanwhile });
const done: Transition = { answer: 'done' };
const conflict: Transition = { answer: 'refused', code: 'state_conflict' };
const pastPivot: Transition = { answer: 'refused', code: 'past_pivot' };

export const TRANSITIONS: Readonly<Record<LedgerState, Readonly<Record<DeletionTarget, Transition>>>> = {
  // `restored` is recorded, so that a request to stage that arrives after its own compensation is refused.
  absent: { staged: works('staging'), restored: works('restored'), purged: works('purging') },
  staging: { staged: works('staging'), restored: works('restoring'), purged: works('purging') },
  staged: { staged: done, restored: works('restoring'), purged: works('purging') },
  restoring: { staged: conflict, restored: works('restoring'), purged: conflict },
  restored: { staged: conflict, restored: done, purged: conflict },
  purging: { staged: conflict, restored: pastPivot, purged: works('purging') },
  // Rows that have come since, from a backup for one, are swept and counted.
  purged: { staged: conflict, restored: pastPivot, purged: works('purged') },
};

/** What the tenant directory goes towards; another target is `target_unsupported`. */
export const DIRECTORY_TARGETS: readonly DeletionTarget[] = ['purged'];
