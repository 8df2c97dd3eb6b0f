/** Certificates: what the records hold of a job as the signer sees it, the end that goes with one, and reading it. */
import { validate as isUuid } from 'uuid';
import { z } from 'zod';
import { sha256 } from '../proof/canonical.js';
import type { CertifiedTable } from '../proof/certificate.js';
import type { JobFacts, ServiceFacts } from '../proof/certify.js';
import type { JobView } from '../protocol/jobs.js';
import { orphanUsers, type TableCount, type TableDigest, tableDigest } from '../protocol/participant.js';
import { Problem } from '../protocol/problems.js';
import { SAGA, writeEvent } from './audit.js';
import { lockChain } from './audit-sql.js';
import type { Client, Database } from './database.js';
import { lockGateAndJob, readJob } from './lookup.js';
import { isOlder } from './order.js';
import { finish } from './progress.js';
import type { ProofRecords } from './proof-types.js';
import type { LockedJob } from './sql.js';
import { type JobRow, viewOf, withServices } from './view.js';

export function certificateRecords(database: Database): Pick<ProofRecords, 'completeJob' | 'certificateOf'> {
  return {
    completeJob: (jobId, order, outcome, issue) =>
      database.transaction(async (client): Promise<JobView> => {
        const job = await lockGateAndJob(client, jobId);
        if (job.endedAt !== null || isOlder(order, job)) return readJob(client, jobId);
        const { certificateId, issuedAt, kid, jws } = await issue(await factsOf(client, jobId, job));
        await client.certificate.create({
          data: { certificateId, jobId, tenantId: job.tenantId, issuedAt: new Date(issuedAt), kid, jws },
          select: { certificateId: true },
        });
        await writeEvent(client, {
          jobId,
          tenantId: job.tenantId,
          actor: SAGA,
          action: 'certificate issued',
          details: { certificate_id: certificateId, kid, sha256: sha256(jws) },
        });
        return finish(client, jobId, job, order, 'completed', outcome);
      }),

    certificateOf: async (jobId) => {
      const row = isUuid(jobId)
        ? await database.read((client) => client.certificate.findUnique({ where: { jobId } }))
        : null;
      if (row === null) {
        throw new Problem(
          'certificate_unknown',
          'There is no certificate of this job. One is issued when every service has been verified; a job that left something behind gets none.',
        );
      }
      return { ...row, issuedAt: row.issuedAt.toISOString() };
    },
  };
}

/** Under the lock of the job, and then of its chain, so that what is signed is what stands. */
async function factsOf(client: Client, jobId: string, locked: LockedJob): Promise<JobFacts> {
  const row = await client.deletionJob.findUniqueOrThrow({ where: { jobId }, include: withServices });
  const view = viewOf(row);
  const requested = await whoAsked(client, row);
  const approvals = await whoApproved(client, view);
  const waivers = await waiversOf(client, view);
  const { chain, length, hash } = await lockChain(client, jobId, locked.tenantId);
  return {
    job: {
      job_id: jobId,
      replay_of: row.replayOf,
      reapplies: row.reapplies,
      scope: [...row.scope],
      requested_at: row.requestedAt.toISOString(),
      staged_at: view.staged_at,
      decided_at: view.decided_at,
    },
    tenantId: locked.tenantId,
    decision: locked.decision,
    ended: locked.endedAt !== null,
    requested,
    approval: {
      required: view.approval_required,
      approval_hash: view.approval_hash,
      preview_hash: view.preview_hash,
      approvals,
    },
    services: row.services.map((service, index) => serviceFacts(service, view.services[index])),
    waivers,
    orphanUsers: orphansOf(row),
    audit: length === 0n ? null : { chain, position: Number(length), hash },
  };
}

async function whoAsked(client: Client, row: JobRow): Promise<JobFacts['requested']> {
  const asked = await client.auditEvent.findFirst({
    where: { jobId: row.jobId, action: 'deletion requested' },
    orderBy: { eventId: 'asc' },
    select: { actorId: true, actorRole: true },
  });
  // Where the system itself opened the job, or the user was forgotten, the record says all that there is.
  return {
    id: asked?.actorId ?? row.requestedBy,
    role: asked?.actorRole ?? 'unknown',
    ground: row.reason,
  };
}

async function whoApproved(client: Client, view: JobView): Promise<JobFacts['approval']['approvals']> {
  const approved = view.approvals.filter(
    ({ verdict, approval_hash }) => verdict === 'approved' && approval_hash === view.approval_hash,
  );
  const people = [];
  for (const { by, role, at, reason, approval_hash } of approved) {
    people.push({ id: await knownAs(client, by), role, at, ground: reason, approval_hash });
  }
  return people;
}

async function waiversOf(client: Client, view: JobView): Promise<JobFacts['waivers']> {
  const waivers = [];
  for (const { requested_by, approved_by, ...use } of view.waivers ?? []) {
    waivers.push({
      ...use,
      requested_by: await knownAs(client, requested_by),
      approved_by: await knownAs(client, approved_by),
    });
  }
  return waivers;
}

/** A user's pseudonym; where the user was forgotten, it stands here already. */
async function knownAs(client: Client, by: string): Promise<string> {
  const known = await client.person.findUnique({ where: { userId: by }, select: { pseudonym: true } });
  return known?.pseudonym ?? by;
}

/** As the directory told it; null where none took part, or one that does not tell. */
function orphansOf({ services }: JobRow): JobFacts['orphanUsers'] {
  const told = services.map((service) => orphanUsers.safeParse(service.orphanUsers));
  return told.find(({ success }) => success)?.data ?? null;
}

function serviceFacts(
  row: JobRow['services'][number],
  view: JobView['services'][number] | undefined,
): ServiceFacts {
  const digests = storedDigests.parse(row.digests);
  return {
    name: row.name,
    role: row.role,
    state: row.state,
    reversible: row.reversible,
    planHash: row.planHash,
    fence: row.fence,
    purgedAt: row.purgedAt?.toISOString() ?? null,
    verifiedAt: row.verifiedAt?.toISOString() ?? null,
    horizon: row.horizon,
    tables: (view?.counts ?? []).map((count) => certifiedTable(count, digests)),
  };
}

const storedDigests = z.array(tableDigest);

function certifiedTable(count: TableCount, digests: readonly TableDigest[]): CertifiedTable {
  const { table, rows, retained = 0, anonymized = 0, kept = 0, ground = null, retain_until = null } = count;
  const found = digests.find((one) => one.table === table);
  return {
    table,
    deleted: count.deleted ?? Math.max(0, rows - retained),
    retained,
    anonymized,
    kept,
    ground,
    retain_until,
    digest: found ? { rows: found.rows, digest: found.digest, exported: found.exported ?? null } : null,
  };
}
