/** The tenant service: a participant that purges last, and the directory of the other calls. */
import { PROTOCOL_VERSION } from '../../protocol/common.js';
import type { DeletionStatus, OrphanPolicy } from '../../protocol/participant.js';
import { Problem } from '../../protocol/problems.js';
import { DIRECTORY_TARGETS } from '../../protocol/transitions.js';
import type { Participant } from '../http/participant.js';
import { openTenantDatabase, type TenantDatabaseOptions } from './database.js';
import * as deletion from './deletion.js';
import { readAdmins, readTenant, setSuspension } from './directory.js';
import { exportRows } from './export.js';
import { USERS } from './orphans.js';
import { removeMemberships, transferOwnership } from './ownership.js';
import { problemOfPrisma, sqlstateOf } from './problems.js';
import { checkTenantId, refuseMissing } from './tenants.js';

export interface TenantParticipantOptions extends TenantDatabaseOptions {
  readonly name: string;
  /** What becomes of users whose only tenant goes; they are counted and left where nothing is said. */
  readonly orphanUsers?: OrphanPolicy;
}

const LOCK_NOT_AVAILABLE = '55P03';

/** Opens the database when it is first needed. */
export function tenantParticipant({
  name,
  orphanUsers: policy = 'report',
  ...options
}: TenantParticipantOptions): Participant {
  const database = openTenantDatabase(options);
  const { tables } = database;
  return {
    name,
    translate: problemOfPrisma,
    calls: {
      preview: ({ params }) => deletion.preview(tables, name, params.tenant_id, policy),
      async advance({ params: { tenant_id: tenantId, job_id: jobId }, body }) {
        if (!DIRECTORY_TARGETS.includes(body.target)) {
          throw new Problem(
            'target_unsupported',
            `The tenant directory knows the target purged alone; until then a suspension keeps the tenant as it is.`,
          );
        }
        const since = new Date();
        try {
          await deletion.purge(database, tenantId, jobId, policy);
        } catch (error) {
          if (sqlstateOf(error) !== LOCK_NOT_AVAILABLE) throw error;
          const status = await deletion.status(tables, name, tenantId, jobId);
          // A sweep that could not be made is no success, though the ledger says purged.
          if (status.state === 'purged') throw error;
          return waitingForLock(status, since, policy);
        }
        return deletion.status(tables, name, tenantId, jobId);
      },
      async deleteNow({ params: { tenant_id: tenantId }, query: { job_id: jobId } }) {
        await deletion.purge(database, tenantId, jobId, policy);
        const { tables: counts } = await deletion.status(tables, name, tenantId, jobId);
        return {
          tenant_id: tenantId,
          service_name: name,
          success: true,
          deleted_counts: Object.fromEntries(counts.map(({ table, rows }) => [table, rows])),
          errors: [],
        };
      },
      status: ({ params }) => deletion.status(tables, name, params.tenant_id, params.job_id),
      verification: ({ params, query }) =>
        deletion.verify(tables, name, params.tenant_id, query.job_id ?? null),
      async manifest() {
        return {
          service_name: name,
          protocol_version: PROTOCOL_VERSION,
          reversible: false,
          fence: deletion.FENCE,
          plan_hash: deletion.planHash(policy),
          tables: [...deletion.planOf(policy)],
          unaccepted_tables: [],
          findings: await deletion.findings(tables, policy),
          // A purge is one transaction: a job is absent or done.
          open_jobs: [],
        };
      },
      async releaseTombstones({ params: { tenant_id: tenantId } }) {
        const released = await deletion.releaseTombstone(tables, tenantId);
        return { tenant_id: tenantId, service_name: name, released };
      },
      tenant: ({ params }) => readTenant(tables, params.tenant_id),
      suspend: ({ params, body }) =>
        setSuspension(database, params.tenant_id, body.job_id, body.suspended, policy),
      async admins({ params: { tenant_id: tenantId } }) {
        checkTenantId(tenantId);
        const tenant = await tables.tenant.findUnique({ where: { id: tenantId }, select: { id: true } });
        if (tenant === null) await refuseMissing(tables, tenantId);
        return readAdmins(tables, tenantId);
      },
      transferOwnership: ({ params, body }) =>
        transferOwnership(database, params.tenant_id, body.new_owner_user_id),
      removeMemberships: async ({ params, query }) =>
        removeMemberships(database, params.user_id, query.transfer_ownership_to ?? null),
    },
    // There is no archive: what a job will delete is what is here.
    exportRows: (tenantId) => exportRows(tables, tenantId),
    async ready() {
      await tables.deletionLedger.findFirst({ select: { jobId: true } });
    },
    close: () => database.close(),
  };
}

function waitingForLock(status: DeletionStatus, since: Date, policy: OrphanPolicy): DeletionStatus {
  const where = policy === 'delete' ? `${deletion.TENANTS} or ${USERS}` : deletion.TENANTS;
  const reason = `canceling statement due to lock timeout (${LOCK_NOT_AVAILABLE}) on ${where}`;
  return { ...status, waiting_for: { kind: 'lock', since: since.toISOString(), reason, blockers: [] } };
}
