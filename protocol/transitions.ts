/**
 * What a service answers to each target in each state of its ledger, as data: `docs/protocol.md` shows this table,
 * the tests ask every service for all of it.
 */
import type { DeletionTarget, LedgerState } from './participant.js';
import type { ProblemCode } from './problems.js';

/**
 * `works`: it goes on towards the target, by these states on the way, and answers 200 when there, 202 before.
 * `done`: the target is the state, and nothing is left to do. `refused`: 409 with this code, and nothing changes.
 */
export type Transition =
  | { readonly answer: 'works'; readonly by: readonly LedgerState[] }
  | { readonly answer: 'done' }
  | { readonly answer: 'refused'; readonly code: Extract<ProblemCode, 'state_conflict' | 'past_pivot'> };

const works = (...by: LedgerState[]): Transition => ({ answer: 'works', by });
const done: Transition = { answer: 'done' };
const refused: Transition = { answer: 'refused', code: 'state_conflict' };
const pastPivot: Transition = { answer: 'refused', code: 'past_pivot' };

export const TRANSITIONS: Readonly<Record<LedgerState, Readonly<Record<DeletionTarget, Transition>>>> = {
  // `restored` is recorded, so that a request to stage that arrives after its own compensation is refused.
  absent: { staged: works('staging'), restored: works(), purged: works('staging', 'purging') },
  staging: { staged: works(), restored: works('restoring'), purged: works('purging') },
  staged: { staged: done, restored: works('restoring'), purged: works('purging') },
  restoring: { staged: refused, restored: works(), purged: refused },
  restored: { staged: refused, restored: done, purged: refused },
  purging: { staged: refused, restored: pastPivot, purged: works() },
  // Rows that have come since, from a backup for one, are swept and counted.
  purged: { staged: refused, restored: pastPivot, purged: works() },
};

/** What one who cannot stage, and the tenant directory, go towards; other targets are `target_unsupported`. */
export const IRREVERSIBLE_TARGETS = ['purged'] as const satisfies readonly DeletionTarget[];
