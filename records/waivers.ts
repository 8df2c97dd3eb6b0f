/** Services that jobs may go on without: asked for by one person, approved by another, and noted in each job that does. */
import { validate as isUuid, v7 as uuidv7 } from 'uuid';
import type { ServiceWaiver, WaiverUse } from '../protocol/portability.js';
import { Problem } from '../protocol/problems.js';
import { SAGA, writeEvent } from './audit.js';
import type { Client, Database } from './database.js';
import { usesOf } from './job-parts.js';
import { lockedJob, unknownJob } from './lookup.js';
import type { PortabilityRecords } from './portability-types.js';
import { lockWaiver } from './sql.js';
import type { Actor } from './types.js';

interface WaiverRow {
  readonly waiverId: string;
  readonly service: string;
  readonly jobId: string | null;
  readonly reason: string;
  readonly requestedBy: string;
  readonly requestedAt: Date;
  readonly approvedBy: string | null;
  readonly approvedAt: Date | null;
  readonly withdrawnBy: string | null;
  readonly withdrawnAt: Date | null;
  readonly usedAt: Date | null;
}

type WaiverRecords = Pick<
  PortabilityRecords,
  | 'requestWaiver'
  | 'approveWaiver'
  | 'withdrawWaiver'
  | 'listWaivers'
  | 'waivedFor'
  | 'useWaiver'
  | 'waiversOf'
>;

export function waiverRecords(database: Database): WaiverRecords {
  return {
    requestWaiver: ({ service, jobId, reason, actor }) =>
      database.transaction(async (client) => {
        const tenantId = jobId === null ? null : (await lockedJob(client, jobId)).tenantId;
        const row = await client.serviceWaiver.create({
          data: {
            waiverId: uuidv7(),
            service,
            jobId,
            reason,
            requestedBy: actor.id,
            requestedAt: new Date(),
          },
        });
        await note(client, row, tenantId, actor, 'waiver requested');
        return viewOf(row);
      }),

    approveWaiver: (service, waiverId, actor) =>
      database.transaction(async (client) => {
        const { row, now } = await locked(client, service, waiverId);
        if (row.requestedBy === actor.id) {
          const detail = 'A waiver is approved by somebody other than the one who asked for it.';
          throw new Problem('approver_is_requester', detail, { service });
        }
        if (row.withdrawnAt !== null) throw withdrawn(service);
        if (row.approvedAt !== null) return viewOf(row);
        const approved = await client.serviceWaiver.update({
          where: { waiverId },
          data: { approvedBy: actor.id, approvedAt: now },
        });
        await note(client, row, await tenantOf(client, row.jobId), actor, 'waiver approved');
        return viewOf(approved);
      }),

    withdrawWaiver: (service, waiverId, actor) =>
      database.transaction(async (client) => {
        const { row, now } = await locked(client, service, waiverId);
        if (row.withdrawnAt !== null) return viewOf(row);
        if (row.usedAt !== null && row.jobId !== null) {
          const detail = 'The job has gone on without the service already; that stands in its record.';
          throw new Problem('waiver_used', detail, { service, job_id: row.jobId });
        }
        const done = await client.serviceWaiver.update({
          where: { waiverId },
          data: { withdrawnBy: actor.id, withdrawnAt: now },
        });
        await note(client, row, await tenantOf(client, row.jobId), actor, 'waiver withdrawn');
        return viewOf(done);
      }),

    listWaivers: async (service) => {
      const rows = await database.read((client) =>
        client.serviceWaiver.findMany({
          where: { service },
          orderBy: [{ requestedAt: 'desc' }, { waiverId: 'desc' }],
        }),
      );
      return rows.map(viewOf);
    },

    waivedFor: async (jobId, services) => {
      const { used, standing } = await database.read(async (client) => ({
        used: await usesIn(client, jobId),
        standing: await standingFor(client, jobId, services),
      }));
      const waived = [...used, ...standing].map(({ service }) => service);
      return services.filter((service) => waived.includes(service));
    },

    useWaiver: async (jobId, service, phase) => {
      const waived = await database.read((client) => standingFor(client, jobId, [service]));
      const before = await database.read((client) => usesIn(client, jobId));
      const known = before.find((use) => use.service === service);
      if (known !== undefined || waived.length === 0) return known ?? null;
      return database.transaction((client) => use(client, jobId, service, phase));
    },

    waiversOf: (jobId) => database.read((client) => usesIn(client, jobId)),
  };
}

async function use(client: Client, jobId: string, service: string, phase: string): Promise<WaiverUse | null> {
  const job = await lockedJob(client, jobId);
  const before = await usesIn(client, jobId);
  const known = before.find((one) => one.service === service);
  if (known !== undefined) return known;
  const [first] = await standingFor(client, jobId, [service]);
  // Whoever withdraws it waits, or has been first.
  const found = first && (await lockWaiver(client, first.waiverId));
  const row =
    found && (await client.serviceWaiver.findUniqueOrThrow({ where: { waiverId: first.waiverId } }));
  if (!row || row.withdrawnAt !== null || row.approvedBy === null) return null;
  const made: WaiverUse = {
    service,
    waiver_id: row.waiverId,
    reason: row.reason,
    requested_by: row.requestedBy,
    approved_by: row.approvedBy,
    phase,
    at: job.now.toISOString(),
  };
  await client.deletionJob.update({
    where: { jobId },
    data: { waivers: [...before, made] },
    select: { jobId: true },
  });
  if (row.usedAt === null) {
    await client.serviceWaiver.update({ where: { waiverId: row.waiverId }, data: { usedAt: job.now } });
  }
  await note(client, { ...row, jobId }, job.tenantId, SAGA, 'went on without a service');
  return made;
}

function standingFor(client: Client, jobId: string, services: readonly string[]): Promise<WaiverRow[]> {
  return client.serviceWaiver.findMany({
    where: {
      service: { in: [...services] },
      approvedAt: { not: null },
      withdrawnAt: null,
      OR: [{ jobId: null }, { jobId }],
    },
    orderBy: { requestedAt: 'asc' },
  });
}

async function usesIn(client: Client, jobId: string): Promise<WaiverUse[]> {
  const row = isUuid(jobId)
    ? await client.deletionJob.findUnique({ where: { jobId }, select: { waivers: true } })
    : null;
  if (row === null) throw unknownJob(jobId);
  return usesOf(row.waivers);
}

async function locked(
  client: Client,
  service: string,
  waiverId: string,
): Promise<{ readonly row: WaiverRow; readonly now: Date }> {
  const found = isUuid(waiverId) ? await lockWaiver(client, waiverId) : null;
  const row = found && (await client.serviceWaiver.findUniqueOrThrow({ where: { waiverId } }));
  if (!row || row.service !== service) {
    throw new Problem('waiver_unknown', `There is no such waiver of ${service}. Check the id.`, { service });
  }
  return { row, now: found.now };
}

async function tenantOf(client: Client, jobId: string | null): Promise<string | null> {
  if (jobId === null) return null;
  const job = await client.deletionJob.findUnique({ where: { jobId }, select: { tenantId: true } });
  return job?.tenantId ?? null;
}

function note(
  client: Client,
  { jobId, service, waiverId }: Pick<WaiverRow, 'jobId' | 'service' | 'waiverId'>,
  tenantId: string | null,
  actor: Actor,
  action: string,
): Promise<void> {
  return writeEvent(client, { jobId, tenantId, actor, action, details: { service, waiver_id: waiverId } });
}

function withdrawn(service: string): Problem {
  return new Problem('state_conflict', 'The waiver was withdrawn. Ask for a new one.', { service });
}

function viewOf(row: WaiverRow): ServiceWaiver {
  return {
    waiver_id: row.waiverId,
    service: row.service,
    job_id: row.jobId,
    reason: row.reason,
    requested_by: row.requestedBy,
    requested_at: row.requestedAt.toISOString(),
    approved_by: row.approvedBy,
    approved_at: row.approvedAt?.toISOString() ?? null,
    withdrawn_by: row.withdrawnBy,
    withdrawn_at: row.withdrawnAt?.toISOString() ?? null,
    used_at: row.usedAt?.toISOString() ?? null,
  };
}
