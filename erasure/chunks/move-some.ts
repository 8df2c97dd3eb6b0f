/** Moves a tenant's rows: all of them in one transaction, or, where that would take too long, a chunk. */
import type { LedgerRow } from '../ledger/record.js';
import type { LedgerChange } from '../ledger/store.js';
import type { AllLimits } from '../limits.js';
import { type Moved, type MoveOptions, move } from '../stage/move.js';
import { estimatedRows, rowsIfLarge } from './large.js';
import { moveChunk } from './move-chunk.js';
import { markLog, pauseAfter, wholeRows, withinChunk } from './pace.js';
import { firstProgress } from './progress.js';

export interface MoveSomeOptions extends MoveOptions {
  /** Something came in between at the attempt before. */
  readonly sweep: boolean;
}

/** `moved`: nothing was left to be moved when this transaction ended. `partly`: what the ledger has to be told. */
export type Some =
  | { readonly kind: 'moved'; readonly moved: Moved }
  | { readonly kind: 'partly'; readonly change: LedgerChange };

/** The transaction has its place: see `mayWork`. */
export async function moveSome(options: MoveSomeOptions): Promise<Some> {
  const { context, session, plan, row, sweep } = options;
  const { limits } = context;
  const { progress } = row;
  if (progress === null) {
    // Afterwards what is left has to be looked for, not to be estimated.
    const rows = row.movedAt === null && (await rowsIfLarge(session, plan, row.tenantId, wholeRows(limits)));
    if (rows) {
      return {
        kind: 'partly',
        change: { progress: firstProgress(plan.hash, limits.chunkMs), rowsTotal: rows },
      };
    }
    const moved = await session.within(longest(limits, row), () => move(options));
    return { kind: 'moved', moved };
  }
  const mark = await markLog(session, limits);
  const chunk = () => moveChunk({ ...options, progress, sweep });
  const done = await withinChunk(session, limits, progress, chunk);
  const { rows: _, progress: next, over, ...moved } = done;
  if (over) return { kind: 'moved', moved: { ...moved, rows: next.found } };
  const sum = sumOf(moved.counts);
  const total = row.rowsTotal ?? (await estimatedRows(session, plan, row.tenantId)) + sum;
  const pause = await pauseAfter(session, limits, mark);
  return {
    kind: 'partly',
    change: { ...moved, rowsTotal: Math.max(total, sum), progress: { ...next, ...pause } },
  };
}

/** A sweep has to look at all that is dead, and rarely finds anything. */
function longest(limits: AllLimits, { movedAt }: LedgerRow): number {
  if (movedAt === null) return limits.singleTransactionMs;
  return Math.max(
    limits.singleTransactionMs,
    Math.min(SWEEPS_LONGEST_MS, Math.ceil(limits.longestTransactionMs * 0.9)),
  );
}

const SWEEPS_LONGEST_MS = 60_000;

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, rows) => total + rows, 0);
}
