/** Lifting the tombstones of a tenant whose key was given to somebody new: asked for by one, approved by another. */
import { v7 as uuidv7 } from 'uuid';
import { type ReleaseView, releaseView } from '../protocol/erased.js';
import { Problem } from '../protocol/problems.js';
import { SAGA, writeEvent } from './audit.js';
import type { Client, Database } from './database.js';
import { notErased } from './erased.js';
import type { TombstoneRelease } from './generated/client.js';
import { refuseHeld } from './holds.js';
import { findErasedGate } from './requests-sql.js';
import { lockGate } from './sql.js';
import type { HashOf } from './stays-gone.js';
import type { Actor } from './types.js';

export interface ReleaseRecords {
  /** Asks for one; refuses with `not_erased`, `legal_hold`, `job_open`, and `release_open` where one waits already. */
  requestRelease(tenantId: string, reason: string, actor: Actor): Promise<ReleaseView>;
  /** By somebody else than who asked. From then on services may be told. */
  approveRelease(tenantId: string, actor: Actor): Promise<ReleaseView>;
  /** The newest one of the tenant. */
  releaseOf(tenantId: string): Promise<ReleaseView | null>;
  getRelease(releaseId: string): Promise<ReleaseView>;
  /** Approved, and not every service has answered. */
  releasesUnderWay(): Promise<ReleaseView[]>;
  /** Whether a service may be told now: throws `release_unknown`, `legal_hold`. */
  assertReleaseStands(tenantId: string, erasedBy: string): Promise<void>;
  /** A service has lifted so many; null where it keeps none. */
  noteReleased(releaseId: string, service: string, released: number | null): Promise<void>;
  /** Every service has answered: the mark is lifted, and the tenant is like any other again. */
  completeRelease(releaseId: string): Promise<ReleaseView>;
}

/** A request that nobody approves is forgotten, so that nobody approves what was true long ago. */
const EXPIRES_AFTER_MS = 7 * 24 * 3_600_000;

export function releaseRecords(database: Database, hashOf: HashOf): ReleaseRecords {
  return {
    requestRelease: (tenantId, reason, actor) =>
      database.transaction(async (client) => {
        const { now } = await lockGate(client, tenantId);
        const gate = await findErasedGate(client, tenantId, hashOf(tenantId));
        if (gate?.erasedAt == null || gate.erasedBy === null) throw notErased();
        await refuseHeld(client, tenantId);
        await refuseOpenJob(client, tenantId);
        await closeExpired(client, tenantId, now);
        const open = await client.tombstoneRelease.findFirst({ where: { tenantId, closedAt: null } });
        if (open !== null) {
          const next = open.approvedAt === null ? 'Somebody else has to approve it.' : 'It is under way.';
          throw new Problem('release_open', `A release of this tenant was asked for already. ${next}`);
        }
        const release = await client.tombstoneRelease.create({
          data: {
            releaseId: uuidv7(),
            tenantId,
            reason,
            erasedAt: gate.erasedAt,
            erasedBy: gate.erasedBy,
            requestedBy: actor.id,
            requestedAt: now,
            expiresAt: new Date(now.getTime() + EXPIRES_AFTER_MS),
          },
        });
        await tell(client, release, actor, 'release requested', { reason });
        return viewOfRelease(release);
      }),

    approveRelease: (tenantId, actor) =>
      database.transaction(async (client) => {
        const { now } = await lockGate(client, tenantId);
        await closeExpired(client, tenantId, now);
        const open = await client.tombstoneRelease.findFirst({ where: { tenantId, closedAt: null } });
        if (open === null) throw releaseUnknown();
        // Asked again after a lost answer.
        if (open.approvedBy === actor.id) return viewOfRelease(open);
        if (open.approvedAt !== null) throw new Problem('release_open', 'The release was approved already.');
        if (open.requestedBy === actor.id) {
          throw new Problem('approver_is_requester', 'Who asked for a release cannot approve it.');
        }
        await refuseHeld(client, tenantId);
        await refuseOpenJob(client, tenantId);
        const release = await client.tombstoneRelease.update({
          where: { releaseId: open.releaseId },
          data: { approvedBy: actor.id, approvedAt: now },
        });
        await tell(client, release, actor, 'release approved', {});
        return viewOfRelease(release);
      }),

    releaseOf: async (tenantId) => {
      const release = await database.read((client) =>
        client.tombstoneRelease.findFirst({ where: { tenantId }, orderBy: { requestedAt: 'desc' } }),
      );
      return release === null ? null : viewOfRelease(release);
    },

    getRelease: async (releaseId) => {
      const release = await database.read((client) =>
        client.tombstoneRelease.findUnique({ where: { releaseId } }),
      );
      if (release === null) throw releaseUnknown();
      return viewOfRelease(release);
    },

    releasesUnderWay: async () => {
      const releases = await database.read((client) =>
        client.tombstoneRelease.findMany({
          where: { closedAt: null, approvedAt: { not: null } },
          orderBy: { approvedAt: 'asc' },
        }),
      );
      return releases.map(viewOfRelease);
    },

    assertReleaseStands: (tenantId, erasedBy) =>
      database.read(async (client) => {
        const where = { tenantId, erasedBy, closedAt: null, approvedAt: { not: null } };
        if ((await client.tombstoneRelease.count({ where })) === 0) throw releaseUnknown();
        await refuseHeld(client, tenantId);
      }),

    noteReleased: (releaseId, service, released) =>
      database.transaction(async (client) => {
        const release = await lockRelease(client, releaseId);
        if (release.closedAt !== null) return;
        const services = { ...servicesOf(release), [service]: released };
        await client.tombstoneRelease.update({ where: { releaseId }, data: { services } });
        await tell(client, release, SAGA, 'tombstones lifted', { service, released });
      }),

    completeRelease: (releaseId) =>
      database.transaction(async (client) => {
        const release = await lockRelease(client, releaseId);
        const { tenantId } = release;
        if (release.closedAt !== null) return viewOfRelease(release);
        await refuseHeld(client, tenantId);
        const now = new Date();
        // The tenant's own mark, and one that a list brought under the hash of the key.
        await client.tenantGate.updateMany({
          where: { erasedBy: release.erasedBy },
          data: { erasedAt: null, erasedBy: null, importedAt: null, keyHashed: false },
        });
        // What is there from now on is somebody else's.
        await client.returnedRows.updateMany({
          where: { tenantId, clearedAt: null },
          data: { clearedAt: now },
        });
        const completed = await client.tombstoneRelease.update({
          where: { releaseId },
          data: { completedAt: now, closedAt: now },
        });
        await tell(client, completed, SAGA, 'mark lifted', { erased_by: release.erasedBy });
        return viewOfRelease(completed);
      }),
  };
}

/** The tenant's gate, then the release. */
async function lockRelease(client: Client, releaseId: string): Promise<TombstoneRelease> {
  const found = await client.tombstoneRelease.findUnique({ where: { releaseId } });
  if (found === null) throw releaseUnknown();
  await lockGate(client, found.tenantId);
  return client.tombstoneRelease.findUniqueOrThrow({ where: { releaseId } });
}

async function refuseOpenJob(client: Client, tenantId: string): Promise<void> {
  const open = await client.deletionJob.findFirst({
    where: { tenantId, endedAt: null },
    select: { jobId: true, status: true },
  });
  if (open === null) return;
  throw new Problem('job_open', 'A job of this tenant is open. Wait for its end, or cancel it first.', {
    job_id: open.jobId,
    state: open.status,
  });
}

async function closeExpired(client: Client, tenantId: string, now: Date): Promise<void> {
  await client.tombstoneRelease.updateMany({
    where: { tenantId, closedAt: null, approvedAt: null, expiresAt: { lte: now } },
    data: { closedAt: now },
  });
}

function tell(
  client: Client,
  { tenantId, releaseId }: TombstoneRelease,
  actor: Actor,
  action: string,
  details: Readonly<Record<string, string | number | null>>,
): Promise<void> {
  const event = { jobId: null, tenantId, actor, action, details: { release_id: releaseId, ...details } };
  return writeEvent(client, event);
}

function servicesOf({ services }: TombstoneRelease): ReleaseView['services'] {
  return releaseView.shape.services.parse(services);
}

function viewOfRelease(release: TombstoneRelease): ReleaseView {
  const { approvedAt, completedAt, expiresAt } = release;
  const expired = approvedAt === null && (release.closedAt !== null || expiresAt.getTime() <= Date.now());
  return {
    release_id: release.releaseId,
    tenant_id: release.tenantId,
    status: completedAt ? 'completed' : approvedAt ? 'approved' : expired ? 'expired' : 'requested',
    reason: release.reason,
    requested_by: release.requestedBy,
    requested_at: release.requestedAt.toISOString(),
    expires_at: expiresAt.toISOString(),
    approved_by: release.approvedBy,
    approved_at: approvedAt?.toISOString() ?? null,
    completed_at: completedAt?.toISOString() ?? null,
    erased_at: release.erasedAt.toISOString(),
    erased_by: release.erasedBy,
    services: servicesOf(release),
  };
}

function releaseUnknown(): Problem {
  return new Problem('release_unknown', 'No release of this tenant waits. It may have expired; ask for one.');
}
