/** What this worker can do by itself, as often as it is configured. */
import type { Connection } from '@temporalio/client';
import type { Logger } from 'pino';
import type { HousekeepingWorks } from './activities/housekeeping.js';
import type { WorkerConfig } from './config.js';
import { HOUSEKEEPING_STEPS } from './protocol/housekeeping.js';
import { ensureSchedules, type Intervals } from './records/schedules.js';

/** Without the right to schedule, deletions go on. */
export async function keepSchedules(
  config: Pick<WorkerConfig, 'SWEEP_EVERY' | 'RETENTION_EVERY' | 'HOUSEKEEPING_EVERY'>,
  works: HousekeepingWorks,
  temporal: { readonly connection: Connection; readonly namespace: string },
  logger: Logger,
): Promise<void> {
  const own: Intervals = { sweep: config.SWEEP_EVERY, retained: config.RETENTION_EVERY };
  const known = HOUSEKEEPING_STEPS.filter((step) => works[step] !== undefined);
  const intervals = Object.fromEntries(known.map((step) => [step, own[step] ?? config.HOUSEKEEPING_EVERY]));
  try {
    await ensureSchedules({ ...temporal, intervals });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    logger.error(
      { reason },
      'Schedules could not be made: nothing is swept, and nothing that is due is erased.',
    );
  }
}
