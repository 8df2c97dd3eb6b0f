/** Where a pass over a large tenant's tables stands, and what comes next. Pure: no connection, no clock. */
import type { Plan } from '../plan/types.js';

/** As the ledger keeps it, in the transaction of each chunk. It holds nothing of any row. */
export interface Progress {
  /** The plan that the tasks are of; null where they are archives. Of another plan the pass begins anew. */
  readonly plan: string | null;
  /** The task at hand. */
  readonly task: number;
  /** The table that it is about, for people. */
  readonly table: string | null;
  /** The present walk over the tables of the unit, from 1. */
  readonly round: number;
  /** Rows moved in this round. */
  readonly moved: number;
  /** Rows moved in this pass. */
  readonly found: number;
  /** Blocks from this one on have been walked, downwards. Absent: the walk has not begun. */
  readonly at?: number;
  /** How many blocks the next chunk should have. */
  readonly blocks: number;
  /** The rows that are left of the unit refer to each other: they go in one transaction. */
  readonly whole?: true;
  /** Of a restore: whether it could work has yet to be asked, before the first row comes back. */
  readonly unasked?: true;
  /** A pause keeps the write-ahead log below its limit. */
  readonly notBefore?: string;
}

/** One walk of a pass. */
export type Task =
  /** Rows that stay and refer to the unit's: place in `plan.references`. */
  | { readonly kind: 'references'; readonly unit: number; readonly reference: number; readonly oid: number }
  | { readonly kind: 'rows'; readonly unit: number; readonly oid: number };

/** All walks in order: units children first, in each the references to it before its tables. */
export function tasksOf(plan: Plan): Task[] {
  return plan.units.flatMap(({ tableOids }, unit): Task[] => [
    ...plan.references.flatMap(({ key }, reference): Task[] =>
      tableOids.includes(key.parentOid) ? [{ kind: 'references', unit, reference, oid: key.childOid }] : [],
    ),
    ...tableOids.map((oid): Task => ({ kind: 'rows', unit, oid })),
  ]);
}

/** The beginning of a pass. `plan`: its hash. */
export function firstProgress(plan: string | null, chunkMs: number): Progress {
  return { plan, task: 0, table: null, round: 1, moved: 0, found: 0, blocks: firstBlocks(chunkMs) };
}

/** So few that the first chunks of a table take a fraction of their time; they grow fast. */
export function firstBlocks(chunkMs: number): number {
  return Math.max(1, Math.ceil(chunkMs / 5));
}

const MOST_GROWTH = 4;
const MOST_SHRINKAGE = 4;

/** The size of the next chunk, after one of `blocks` has taken so long. */
export function nextBlocks(blocks: number, tookMs: number, chunkMs: number): number {
  const factor = Math.min(MOST_GROWTH, Math.max(1 / MOST_SHRINKAGE, chunkMs / Math.max(1, tookMs)));
  // What a chunk costs whatever its size must not be paid for ever fewer rows.
  const least = Math.ceil(firstBlocks(chunkMs) / 4);
  return Math.max(least, Math.round(blocks * factor));
}

const OVERRUN_SHRINKAGE = 8;

/** After a chunk that took so long that it was cancelled. */
export function afterOverrun(progress: Progress): Progress {
  return { ...progress, blocks: Math.max(1, Math.floor(progress.blocks / OVERRUN_SHRINKAGE)) };
}

/** Walks over the tables of a unit whose rows refer to each other, as long as each finds something. */
export const MOST_ROUNDS = 20;

/** What a walk has come to. `left`: rows are there still. */
export function endOfRound({ moved, round }: Progress, left: boolean): 'done' | 'again' | 'whole' {
  if (!left) return 'done';
  return moved === 0 || round >= MOST_ROUNDS ? 'whole' : 'again';
}
