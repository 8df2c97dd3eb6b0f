/** What runs by itself: the steps, how each is scheduled, and what is told of them. */
import { z } from 'zod';
import { timestamp } from './common.js';

/** A schedule and a run of the workflow each; what a step does is registered in `activities/housekeeping.ts`. */
export const HOUSEKEEPING_STEPS = [
  /** Asks every service whether erased tenants are still gone. */
  'sweep',
  /** Erases retained rows whose date has come. */
  'retained',
  /** Removes records that are older than they are kept. */
  'records',
  /** Removes exports whose time is over. */
  'exports',
  /** Signs the head over all chains of the audit. */
  'audit_head',
] as const;
export const housekeepingStep = z.enum(HOUSEKEEPING_STEPS);
export type HousekeepingStep = z.infer<typeof housekeepingStep>;

export const HOUSEKEEPING_TYPE = 'housekeeping';
export interface HousekeepingInput {
  readonly step: HousekeepingStep;
}

export function scheduleIdOf(step: HousekeepingStep): string {
  return `lethe-${step.replaceAll('_', '-')}`;
}

/** Counts, by what was counted. */
export const housekeepingOutcome = z.record(z.string(), z.number());
export type HousekeepingOutcome = z.infer<typeof housekeepingOutcome>;

export const housekeepingView = z.strictObject({
  steps: z.array(
    z.strictObject({
      step: housekeepingStep,
      /** Null where it has not run yet. */
      started_at: timestamp.nullable(),
      finished_at: timestamp.nullable(),
      succeeded_at: timestamp.nullable(),
      outcome: housekeepingOutcome,
      error: z.string().nullable(),
    }),
  ),
});
export type HousekeepingView = z.infer<typeof housekeepingView>;

export const RELEASE_TYPE = 'releaseTombstones';
export interface ReleaseInput {
  readonly release_id: string;
}
export function releaseWorkflowIdOf(releaseId: string): string {
  return `release-tombstones/${releaseId}`;
}
