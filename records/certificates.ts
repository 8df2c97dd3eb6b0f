/** Certificates: what the records hold of a job as the signer sees it, the end that goes with one, and reading it. */
import { validate as isUuid } from 'uuid';
import { sha256 } from '../proof/canonical.js';
import type { CertifiedTable } from '../proof/certificate.js';
import type { JobFacts, ServiceFacts } from '../proof/certify.js';
import type { JobView } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import { SAGA, writeEvent } from './audit.js';
import type { Client, Database } from './database.js';
import { lockGateAndJob, readJob } from './lookup.js';
import { isOlder } from './order.js';
import { finish } from './progress.js';
import type { ProofRecords } from './proof-types.js';
import { type LockedJob, lockChain } from './sql.js';
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
  const [requested, approvals] = [await whoAsked(client, row), await whoApproved(client, view)];
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
    waivers: [],
    orphanUsers: null,
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

/** A user's pseudonym; where the user was forgotten, it stands here already. */
async function knownAs(client: Client, by: string): Promise<string> {
  const known = await client.person.findUnique({ where: { userId: by }, select: { pseudonym: true } });
  return known?.pseudonym ?? by;
}

function serviceFacts(
  row: JobRow['services'][number],
  view: JobView['services'][number] | undefined,
): ServiceFacts {
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
    tables: (view?.counts ?? []).map(certifiedTable),
  };
}

function certifiedTable(count: JobView['services'][number]['counts'][number]): CertifiedTable {
  const { table, rows, retained = 0, anonymized = 0, kept = 0, ground = null, retain_until = null } = count;
  return {
    table,
    deleted: count.deleted ?? Math.max(0, rows - retained),
    retained,
    anonymized,
    kept,
    ground,
    retain_until,
    digest: null,
  };
}
