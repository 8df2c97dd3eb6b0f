/** Every step that runs by itself. Whoever adds one adds its function here, and its interval in worker.ts. */
import type { HousekeepingWorks } from './housekeeping.js';
import { createRetained, type RetainedParts } from './retained.js';
import { createSweep, type SweepParts } from './sweep.js';

export function createWorks(parts: SweepParts & RetainedParts): HousekeepingWorks {
  return {
    sweep: createSweep(parts),
    retained: createRetained(parts),
  };
}
