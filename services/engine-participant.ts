/** The deletion protocol over the engine: turns its answers into those of the wire. */
import type { Engine, LedgerStatus, Preview, Verification, Waiting } from '../erasure/engine-types.js';
import { PROTOCOL_VERSION } from '../protocol/common.js';
import type {
  DeletionPreview,
  DeletionStatus,
  Manifest,
  SliceWait,
  Verification as WireVerification,
} from '../protocol/participant.js';
import { Problem } from '../protocol/problems.js';
import { problemOfEngine } from './engine-problems.js';
import { retainedCalls, wireOutcome, wireTerms } from './engine-retained.js';
import type { Participant } from './http/participant.js';

export interface EngineParticipantOptions {
  readonly name: string;
  /** How late writes are kept out, as the declaration says. */
  readonly fence: 'trigger' | 'application' | 'none';
  readonly engine: Engine;
  /** How long `DELETE` works before it asks to be called again. */
  readonly deleteWithinMs?: number;
}

const SLICE_MS = 5_000;
const DELETE_WITHIN_MS = 60_000;

/** A participant whose rows lie in PostgreSQL: everything can be staged, restored and purged. */
export function engineParticipant(options: EngineParticipantOptions): Participant {
  const { name, fence, engine, deleteWithinMs = DELETE_WITHIN_MS } = options;
  return {
    name,
    calls: {
      preview: async ({ params }) =>
        wirePreview({ name, fence }, params, await engine.preview(params.tenant_id)),
      advance: async ({ params, body, claims }) => {
        if (body.target === 'staged' && body.plan_hash === undefined) {
          throw new Problem('validation_failed', 'To stage, the hash of the plan that was shown is needed.', {
            errors: [{ path: 'body.plan_hash', message: 'is needed at the target staged' }],
          });
        }
        const supersedes = body.target === 'restored' ? undefined : claims.supersedes_job_id;
        const status = await engine.advance({
          tenantId: params.tenant_id,
          jobId: params.job_id,
          target: body.target,
          timeBudgetMs: body.time_budget_ms,
          ...(body.plan_hash !== undefined && { planHash: body.plan_hash }),
          ...(body.digests !== undefined && { digests: body.digests }),
          ...(supersedes !== undefined && { supersedesJobId: supersedes }),
        });
        return wireStatus(name, params, status);
      },
      deleteNow: async ({ params, query, claims, signal }) => {
        const until = Date.now() + deleteWithinMs;
        for (;;) {
          const { state, tables, waitingFor } = await engine.advance({
            tenantId: params.tenant_id,
            jobId: query.job_id,
            target: 'purged',
            timeBudgetMs: Math.min(SLICE_MS, Math.max(until - Date.now(), 100)),
            ...(claims.supersedes_job_id !== undefined && { supersedesJobId: claims.supersedes_job_id }),
          });
          if (state === 'purged') {
            return {
              tenant_id: params.tenant_id,
              service_name: name,
              success: true,
              deleted_counts: Object.fromEntries(tables.map(({ table, rows }) => [table, rows])),
              errors: [],
            };
          }
          if (signal.aborted || Date.now() >= until) {
            const wait = waitingFor && ` It waits: ${waitingFor.reason}; ${waitingFor.blockers.join(', ')}.`;
            const detail = `The deletion has not finished yet.${wait ?? ''} The same request again goes on where it stands.`;
            throw new Problem('database_busy', detail, { state, job_id: query.job_id }, 1);
          }
        }
      },
      ...retainedCalls(name, engine),
      releaseTombstones: async ({ params: { tenant_id } }) => ({
        tenant_id,
        service_name: name,
        released: await engine.releaseTombstones(tenant_id),
      }),
      status: async ({ params, query }) =>
        wireStatus(
          name,
          params,
          await engine.status(params.tenant_id, params.job_id, { restorable: query.restorable !== 'false' }),
        ),
      verification: async ({ params: { tenant_id }, query: { job_id = null } }) =>
        wireVerification(name, { tenant_id, job_id }, await engine.verify(tenant_id, job_id)),
      manifest: async (): Promise<Manifest> => {
        const { planHash, tables, unacceptedTables, findings, openJobs, breakGlass } =
          await engine.manifest();
        return {
          service_name: name,
          protocol_version: PROTOCOL_VERSION,
          reversible: true,
          fence,
          plan_hash: planHash,
          tables: tables.map(wireTerms),
          unaccepted_tables: [...unacceptedTables],
          findings: [...findings],
          open_jobs: openJobs.map(({ tenantId, jobId, state }) => ({
            tenant_id: tenantId,
            job_id: jobId,
            state,
          })),
          break_glass: breakGlass.map(({ tenantId, jobId, target, reason, by, at }) => ({
            tenant_id: tenantId,
            job_id: jobId,
            target,
            reason,
            by,
            at: at.toISOString(),
          })),
        };
      },
    },
    exportRows: (tenantId, jobId) => engine.exportRows(tenantId, jobId),
    exportRetained: (tenantId) => engine.exportRetained(tenantId),
    translate: problemOfEngine,
    ready: () => engine.ready(),
    close: () => engine.close(),
  };
}

// An answer names tenant and job as they were asked for; the database may write a key another way.
interface Named {
  readonly tenant_id: string;
  readonly job_id: string;
}

function wirePreview(
  { name, fence }: Pick<EngineParticipantOptions, 'name' | 'fence'>,
  { tenant_id }: Pick<Named, 'tenant_id'>,
  preview: Preview,
): DeletionPreview {
  return {
    tenant_id,
    service_name: name,
    plan_hash: preview.planHash,
    reversible: true,
    fence,
    total_rows: preview.totalRows,
    tables: preview.tables.map((one) => ({ ...wireTerms(one), rows: one.rows })),
    findings: [...preview.findings],
  };
}

function wireStatus(service: string, { tenant_id, job_id }: Named, status: LedgerStatus): DeletionStatus {
  return {
    tenant_id,
    job_id,
    service_name: service,
    state: status.state,
    plan_hash: status.planHash,
    tables: status.tables.map((one) => ({ table: one.table, rows: one.rows, ...wireOutcome(one) })),
    rows_done: status.rowsDone,
    rows_total: status.rowsTotal,
    waiting_for: wireWait(status.waitingFor),
    staged_at: status.stagedAt?.toISOString() ?? null,
    restored_at: status.restoredAt?.toISOString() ?? null,
    purged_at: status.purgedAt?.toISOString() ?? null,
    restorable: status.restorable && {
      possible: status.restorable.possible,
      reasons: [...status.restorable.reasons],
    },
    ...(status.digests && { digests: [...status.digests] }),
  };
}

function wireVerification(
  service: string,
  { tenant_id, job_id }: { readonly tenant_id: string; readonly job_id: string | null },
  found: Verification,
): WireVerification {
  return {
    tenant_id,
    job_id,
    service_name: service,
    clean: found.clean,
    rows_left: found.rowsLeft,
    tables: found.tables.map((one) => ({
      table: one.table,
      live_rows: one.liveRows,
      archived_rows: one.archivedRows,
      ...wireOutcome(one),
    })),
    horizon: found.horizon,
    horizon_passed: found.horizonPassed,
    waiting_for: wireWait(found.waitingFor),
    verified_at: found.verifiedAt.toISOString(),
  };
}

function wireWait(waiting: Waiting | null): SliceWait | null {
  return (
    waiting && {
      kind: waiting.kind,
      since: waiting.since.toISOString(),
      reason: waiting.reason.slice(0, 1000),
      blockers: waiting.blockers.slice(0, 50),
    }
  );
}
