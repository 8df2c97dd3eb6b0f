/** Moves a tenant's rows: all of them in one transaction, or, where that would take too long, a chunk. */
import type { StepResult } from '../advance/step.js';
import type { LedgerChange } from '../ledger/store.js';
import type { AllLimits } from '../limits.js';
import { type Moved, type MoveOptions, move } from '../stage/move.js';
import { estimatedRows, rowsIfLarge } from './large.js';
import { moveChunk } from './move-chunk.js';
import { markLog, pauseAfter, pauseLeftMs, takePlace } from './pace.js';
import { firstProgress } from './progress.js';

export interface MoveSomeOptions extends MoveOptions {
  /** Something came in between at the attempt before. */
  readonly sweep: boolean;
}

/** `moved`: nothing was left to be moved when this transaction ended. `partly`: what the ledger has to be told. */
export type Some =
  | { readonly kind: 'moved'; readonly moved: Moved }
  | { readonly kind: 'partly'; readonly change: LedgerChange }
  | { readonly kind: 'not_now'; readonly result: StepResult };

export async function moveSome(options: MoveSomeOptions): Promise<Some> {
  const { context, session, plan, row, sweep } = options;
  const { limits } = context;
  const pauseMs = await pauseLeftMs(session, row.progress?.notBefore);
  if (pauseMs > 0) return { kind: 'not_now', result: { kind: 'pause', ms: pauseMs } };
  if (!(await takePlace(session, limits))) return { kind: 'not_now', result: { kind: 'busy' } };
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
    const moved = await session.within(limits.singleTransactionMs, () => move(options));
    return { kind: 'moved', moved };
  }
  const mark = await markLog(session, limits);
  const chunk = () => moveChunk({ ...options, progress, sweep });
  const canShrink = !progress.whole && progress.blocks > 1;
  const done = await (canShrink ? session.within(longestChunkMs(limits), chunk) : chunk());
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

/** After that a chunk is cancelled, and made smaller. */
function longestChunkMs({ chunkMs }: AllLimits): number {
  return Math.max(10 * chunkMs, 5_000);
}

const WAL_BYTES_PER_ROW = 500;

/** Rows that go in one transaction: no more, either, than the log may grow by in two seconds. */
function wholeRows({ singleTransactionRows, walBytesPerSecond }: AllLimits): number {
  if (walBytesPerSecond === null) return singleTransactionRows;
  return Math.min(singleTransactionRows, Math.ceil((2 * walBytesPerSecond) / WAL_BYTES_PER_ROW));
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, rows) => total + rows, 0);
}
