import { z } from 'zod';
import { createEngine } from '../../erasure/engine.js';
import type { Engine, LedgerStatus, Target, Verification } from '../../erasure/engine-types.js';
import { jobId } from '../../protocol/common.js';
import { declarationOf } from '../../services/participant-file/declaration.js';
import { readParticipant } from '../../services/participant-file/files.js';
import { UsageError } from '../api-client.js';
import { EXIT } from '../exit-codes.js';
import { count, type Output } from '../output.js';
import { databaseUrlFor, type ParticipantCommand, type ParticipantContext } from '../participant/context.js';
import { showProgress } from '../participant/progress.js';

export interface EngineOptions {
  readonly config: string;
  readonly tenant: string;
  readonly job: string;
  readonly breakGlass?: string;
  /** Of a restore: what becomes of rows that cannot come back. */
  readonly conflicts?: 'list' | 'skip-row';
  readonly databaseUrlEnv?: string;
}

/** A slice is as long as nobody minds to wait for news. */
const SLICE_MS = 2_000;
const LIMITS = { lockTimeoutMs: 4_000, longestTransactionMs: 3_600_000 };

/** `lethe engine stage|restore|purge`: one step by hand, round approval, holds and pivot. */
export function engineStep(target: Target): ParticipantCommand<EngineOptions> {
  return async (context, options) => {
    if (options.conflicts === 'list') return listConflicts(context, options);
    const reason = options.breakGlass?.trim();
    if (!reason) {
      throw new UsageError(
        'This goes round approval, holds and the pivot. Say why: --break-glass "REASON"; it is written into the ledger and told to the platform.',
      );
    }
    return withEngine(context, options, async (engine) => {
      const breakGlass = { reason, by: context.host.user };
      const status = await reached(context.out, engine, options, target, breakGlass);
      if (options.conflicts === 'skip-row') context.out.line(SKIPPED);
      context.out.document(status);
      printStatus(context.out, status, target);
      return EXIT.ok;
    });
  };
}

const SKIPPED =
  "Rows that could not come back, if any, are kept in Lethe's schema: deletion_ledger says where, in skipped and break_glass.";

/** `lethe engine restore --conflicts list`: changes nothing, so nobody is asked why. */
const listConflicts: ParticipantCommand<EngineOptions> = (context, options) =>
  withEngine(context, options, async (engine) => {
    const conflicts = await engine.conflicts(options.tenant, options.job);
    context.out.document({ conflicts });
    for (const { table, why, rows, keys } of conflicts) {
      context.out.line(`${context.out.strong(table)}: ${count(rows)} ${rows === 1 ? 'row' : 'rows'}, ${why}`);
      const names = Object.keys(keys[0] ?? {});
      if (names.length > 0)
        context.out.table(
          names,
          keys.map((key) => names.map((name) => key[name] ?? '')),
        );
      if (names.length > 0 && rows > keys.length) context.out.line(`… and ${count(rows - keys.length)} more`);
    }
    if (conflicts.length > 0) {
      context.out.line(
        'Make room for them and restore; or restore all others, with these put aside: --conflicts skip-row --break-glass "REASON".',
      );
      return EXIT.failed;
    }
    context.out.line(context.out.colour('Nothing stands in the way of a restore.', 'green'));
    return EXIT.ok;
  });

/** `lethe engine verify`: what is left; changes nothing. */
export const engineVerify: ParticipantCommand<EngineOptions> = (context, options) =>
  withEngine(context, options, async (engine) => {
    const found = await engine.verify(options.tenant, options.job);
    context.out.document(found);
    printVerification(context.out, found);
    return found.clean ? EXIT.ok : EXIT.failed;
  });

async function withEngine(
  context: ParticipantContext,
  options: EngineOptions,
  work: (engine: Engine) => Promise<number>,
): Promise<number> {
  if (!z.safeParse(jobId, options.job).success)
    throw new UsageError(`${options.job} is no job id; it should be a UUID.`);
  const file = await readParticipant(options.config);
  const engine = createEngine({
    databaseUrl: databaseUrlFor(context, file, options),
    declaration: declarationOf(file),
    limits: LIMITS,
  });
  try {
    return await work(engine);
  } finally {
    await engine.close();
  }
}

async function reached(
  out: Output,
  engine: Engine,
  { tenant: tenantId, job, conflicts }: EngineOptions,
  target: Target,
  breakGlass: { readonly reason: string; readonly by: string },
): Promise<LedgerStatus> {
  const progress = showProgress(out, target);
  const planHash = target === 'staged' ? { planHash: (await engine.manifest()).planHash } : {};
  const { totalRows } = await engine.preview(tenantId);
  const request = {
    tenantId,
    jobId: job,
    target,
    timeBudgetMs: SLICE_MS,
    ...planHash,
    ...(conflicts === 'skip-row' && { conflicts }),
  };
  try {
    let status = await engine.advance({ ...request, breakGlass });
    while (status.state !== target) {
      progress.at(status, totalRows);
      // Whoever puts rows aside is named with them.
      status = await engine.advance(conflicts === 'skip-row' ? { ...request, breakGlass } : request);
    }
    // Whether it could come back is told only where somebody asks.
    return target === 'staged' ? await engine.status(tenantId, job) : status;
  } finally {
    progress.end();
  }
}

function printStatus(out: Output, status: LedgerStatus, target: Target): void {
  const moved = status.tables.filter(({ rows }) => rows > 0);
  if (moved.length > 0)
    out.table(
      ['table', 'rows'],
      moved.map(({ table, rows }) => [table, rows]),
    );
  out.line(`\n${out.colour(`${target}: ${count(status.rowsDone)} rows`, 'green')}; job ${status.jobId}`);
  if (status.restorable && !status.restorable.possible) {
    out.line(out.colour('They could not come back as things stand:', 'yellow'));
    for (const reason of status.restorable.reasons) out.line(`  ${reason}`);
  }
}

function printVerification(out: Output, found: Verification): void {
  const left = found.tables.filter(({ liveRows, archivedRows }) => liveRows + archivedRows > 0);
  if (left.length > 0) {
    out.table(
      ['table', 'live', 'archived'],
      left.map(({ table, liveRows, archivedRows }) => [table, liveRows, archivedRows]),
    );
  }
  out.line(
    found.clean
      ? out.colour('Nothing is left, live or archived.', 'green')
      : out.colour(`${count(found.rowsLeft)} rows are left.`, 'red'),
  );
  const { horizon, horizonPassed, waitingFor } = found;
  if (horizon === null) return;
  out.line(
    horizonPassed
      ? 'Every transaction from before the tombstone has ended: nothing of the kind can come any more.'
      : `Older transactions are still open, and may yet write: ${waitingFor?.blockers.join(', ') ?? ''}`,
  );
}
