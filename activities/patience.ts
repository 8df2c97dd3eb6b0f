/**
 * When to give up: by lack of progress, not by number of attempts. The clock outlives the attempt of an activity, in
 * its heartbeat's details.
 */

import type { DeletionStatus, SliceWait } from '../protocol/participant.js';
import { Problem } from '../protocol/problems.js';
import type { SagaSettings } from './types.js';

// Keys rotate: a token that is refused now may be accepted in some minutes.
const CREDENTIALS_LIMIT_MS = 5 * 60_000;
// Nobody tried for so long: the worker was away, and that is not the service's lack of progress.
const ABSENCE_MS = 120_000;

/** What is kept in the heartbeat's details. */
export interface PatienceState {
  readonly progressAt: number;
  readonly seenAt: number;
  readonly mark: string;
  readonly olderSince: number | null;
}

type Limits = Pick<SagaSettings, 'giveUpAfterMs' | 'olderTransactionLimitMs' | 'sliceMs'>;

export class Patience {
  private progressAt: number;
  private mark: string;
  private olderSince: number | null;
  private calledAt: number | null = null;

  constructor(
    private readonly limits: Limits,
    kept: unknown,
    private readonly now: () => number = Date.now,
  ) {
    const state = isState(kept) ? kept : null;
    const at = this.now();
    const absent = state !== null && at - state.seenAt > ABSENCE_MS ? at - state.seenAt : 0;
    this.progressAt = (state?.progressAt ?? at) + absent;
    this.mark = state?.mark ?? '';
    this.olderSince = state?.olderSince ?? null;
  }

  get state(): PatienceState {
    return {
      progressAt: this.progressAt,
      seenAt: this.now(),
      mark: this.mark,
      olderSince: this.olderSince,
    };
  }

  /** How long it still waits for progress. */
  get leftMs(): number {
    return this.progressAt + this.limits.giveUpAfterMs - this.now();
  }

  /** How much longer older transactions are waited for. */
  get olderLeftMs(): number {
    return (this.olderSince ?? this.now()) + this.limits.olderTransactionLimitMs - this.now();
  }

  beforeCall(): void {
    this.calledAt = this.now();
  }

  /** An answer about where the work stands. True where it got on. */
  saw(status: Pick<DeletionStatus, 'state' | 'rows_done'>, waiting: SliceWait | null): boolean {
    this.answered();
    const mark = `${status.state}/${status.rows_done}`;
    const older = waiting?.kind === 'older_transaction';
    const moved = mark !== this.mark;
    this.mark = mark;
    this.olderSince = older ? (this.olderSince ?? this.now()) : null;
    // Waiting for older transactions has a limit of its own.
    if (moved || older) this.progressAt = this.now();
    return moved;
  }

  /** A call that failed; true where it is time to give up. */
  failed(error: unknown): boolean {
    const code = error instanceof Problem ? error.code : null;
    // While the records are away nothing can be decided either.
    if (code === 'records_unavailable') {
      this.progressAt = this.now();
      return false;
    }
    if (code !== null && code !== 'service_unavailable' && code !== 'service_invalid_answer') this.answered();
    if (error instanceof Problem && error.retry === 'credentials') {
      return this.leftMs <= Math.max(0, this.limits.giveUpAfterMs - CREDENTIALS_LIMIT_MS);
    }
    return this.leftMs <= 0;
  }

  /** What was under way since `beforeCall` has come to its end, or to a part of it. */
  worked(): void {
    this.answered();
  }

  // A statement that runs for long is work, not waiting; only what lies beyond it counts.
  private answered(): void {
    if (this.calledAt === null) return;
    const took = this.now() - this.calledAt;
    this.progressAt += Math.max(0, took - 2 * this.limits.sliceMs);
    this.calledAt = null;
  }
}

function isState(value: unknown): value is PatienceState {
  const state = value as Partial<PatienceState> | null | undefined;
  return typeof state?.progressAt === 'number' && typeof state.seenAt === 'number';
}
