/** Which of two writes of a job's record is the later one. */
import type { LockedJob } from './sql.js';
import type { WriteOrder } from './types.js';

/** The same pair once more is the same write, whose answer was lost. */
export function isOlder(order: WriteOrder, job: LockedJob): boolean {
  if (order.epoch !== job.epoch) return order.epoch < job.epoch;
  return BigInt(order.number) < job.writeNumber;
}
