/**
 * No more tenants within an hour, or a day, than configured. Slots are counted before the suspension, decisions at the
 * pivot; both windows slide. The row of the cap is nothing but the lock under which all count.
 */
import type { WaitingFor } from '../protocol/jobs.js';
import type { Client } from './database.js';
import type { GateRules, GateStep } from './gate-types.js';
import { waitsForCap } from './gate-waits.js';
import { type LockedJob, lockCap } from './sql.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** What the job waits for, or null; then a job before its suspension has a slot. */
export async function capOf(
  client: Client,
  jobId: string,
  job: LockedJob,
  step: Exclude<GateStep, 'stage'>,
  { capPerHour, capPerDay }: GateRules,
): Promise<WaitingFor | null> {
  const limits = [
    { most: capPerHour, per: 'hour', lengthMs: HOUR_MS },
    { most: capPerDay, per: 'day', lengthMs: DAY_MS },
  ] as const;
  if (step === 'suspend' && job.capSlotAt !== null) return null;
  if (capPerHour === null && capPerDay === null) return null;
  const now = await lockCap(client);
  for (const { most, per, lengthMs } of limits) {
    if (most === null) continue;
    // The one whose leaving makes a place: with exactly as many as may be, the oldest.
    const blocking = await latest(client, jobId, step, new Date(now.getTime() - lengthMs), most);
    if (blocking === null) continue;
    const until = new Date(blocking.getTime() + lengthMs);
    return waitsForCap({ now, kept: job.waitingFor }, most, per, until);
  }
  if (step === 'suspend') {
    await client.deletionJob.update({
      where: { jobId },
      data: { capSlotAt: now },
      select: { jobId: true },
    });
  }
  return null;
}

/** The `most`-th newest slot or decision since then; null where there are fewer. */
async function latest(
  client: Client,
  jobId: string,
  step: Exclude<GateStep, 'stage'>,
  since: Date,
  most: number,
): Promise<Date | null> {
  const others = { jobId: { not: jobId } };
  if (step === 'suspend') {
    const row = await client.deletionJob.findFirst({
      where: { ...others, capSlotAt: { gt: since } },
      orderBy: { capSlotAt: 'desc' },
      skip: most - 1,
      select: { capSlotAt: true },
    });
    return row?.capSlotAt ?? null;
  }
  const row = await client.deletionJob.findFirst({
    where: { ...others, decision: 'proceed', decidedAt: { gt: since } },
    orderBy: { decidedAt: 'desc' },
    skip: most - 1,
    select: { decidedAt: true },
  });
  return row?.decidedAt ?? null;
}

export async function giveSlotBack(client: Client, jobId: string): Promise<void> {
  await client.deletionJob.update({ where: { jobId }, data: { capSlotAt: null }, select: { jobId: true } });
}
