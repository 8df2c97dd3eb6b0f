/** Whether every service could do it, asked before anything is touched; and whether it still can, right before the pivot. */
import type { JobService, JobView, ServiceError } from '../protocol/jobs.js';
import type { DeletionPreview, Finding, Manifest } from '../protocol/participant.js';
import { Problem } from '../protocol/problems.js';
import { type Parts, partOf } from './dependencies.js';
import { faultOf, identifier } from './failures.js';
import { answerOfGate } from './gate.js';
import { registeredFor, stateOfJob } from './record.js';
import { SHORT_CALL_MS, tryService } from './service-call.js';
import type {
  CheckedService,
  CheckedState,
  Fault,
  LedgerRead,
  OfService,
  RecordCheckInput,
} from './types.js';

const LONGEST_MESSAGE = 1_500;
// What a run remembers of a preview stands in its history, which is limited; the hash is left out beyond that.
const MOST_TABLES = 1_000;

export function agreementSteps(parts: Parts) {
  const { records, settings } = parts;

  /** Nobody has asked them, since two persons have waived them: the record says so. */
  async function noteLeftOut(job: JobView, checked: RecordCheckInput['checked']): Promise<void> {
    for (const name of registeredFor(parts.services, job)) {
      if (checked.some(({ service }) => service === name)) continue;
      await records.useWaiver(job.job_id, name, 'check');
    }
  }

  return {
    /** One service's preview. That its plan cannot be carried out is an answer, no failure. */
    async checkService({ jobId, service }: OfService): Promise<CheckedService> {
      const job = await parts.openJob(jobId);
      return tryService(parts, job, service, async ({ client, call }) => {
        const preview = await call(
          'preview',
          { params: { tenant_id: job.tenant_id } },
          { timeoutMs: settings.longestTransactionMs },
        );
        const manifest = preview.fence
          ? null
          : await manifestOf(() => call('manifest', { params: {} }, { timeoutMs: SHORT_CALL_MS }));
        const fence = preview.fence ?? manifest?.fence;
        const { role } = client.service;
        const refusals = preview.findings.filter((finding) => finding.severity === 'refusal');
        await parts.tell(jobId, {
          name: service,
          role,
          reversible: role === 'participant' && preview.reversible && manifest?.reversible !== false,
          ...(fence && { fence }),
          planHash: preview.plan_hash,
          rowsTotal: preview.total_rows,
          lastError: errorOf(refusals),
        });
        return {
          service,
          planHash: preview.plan_hash,
          totalRows: preview.total_rows,
          tables: tablesOf(preview),
          refusals: refusals.slice(0, 1).map((finding) => faultOfFinding(service, finding)),
        };
      });
    },

    /** All have agreed: the job keeps what it would delete. */
    async recordCheck({ jobId, number, checked }: RecordCheckInput): Promise<CheckedState> {
      const job = await parts.openJob(jobId);
      const plans = checked.flatMap(({ service, planHash, tables }) =>
        tables === null
          ? []
          : [{ service, planHash, tables: tables.map(([table, rows]) => ({ table, rows })) }],
      );
      const complete = plans.length === checked.length;
      await records.recordCheck(jobId, await parts.order(jobId, number), {
        plans: checked.map(({ service, planHash, totalRows, tables }) => ({
          service,
          planHash,
          rows: totalRows,
          tables: tables?.map(([table, rows]) => ({ table, rows })) ?? null,
        })),
        previewHash: complete ? parts.previewHash(job.tenant_id, plans) : null,
      });
      await noteLeftOut(job, checked);
      const { waitsFor } = answerOfGate(await records.passGate(jobId, 'suspend'), 'suspend', jobId);
      return {
        ...stateOfJob(parts, await records.getJob(jobId)),
        ...(waitsFor !== undefined && { waitsFor }),
      };
    },

    /** Where a service's ledger stands. One that went back by itself, or by somebody's hand, cannot go on. */
    async readLedger({ jobId, service }: OfService): Promise<LedgerRead> {
      const job = await parts.openJob(jobId);
      return tryService(parts, job, service, async ({ call }) => {
        const params = { tenant_id: job.tenant_id, job_id: jobId };
        const query = { restorable: 'false' } as const;
        const [{ state }, manifest] = await Promise.all([
          call('status', { params, query }, { timeoutMs: SHORT_CALL_MS }),
          manifestOf(() => call('manifest', { params: {} }, { timeoutMs: SHORT_CALL_MS })),
        ]);
        const forgotten = manifest === null ? null : forgottenTable(service, manifest);
        const wentBack = state === 'restoring' || state === 'restored';
        const problem = new Problem(
          'state_conflict',
          `${service} says ${state}, although nobody decided that. Its rows are live again; the job goes back everywhere.`,
          { service, state },
        );
        const fault = wentBack ? problem : forgotten;
        // Mostly it is what the record says already.
        if (fault !== null || partOf(job, service)?.state !== state) {
          await parts.tell(jobId, {
            name: service,
            state,
            ...(fault !== null && { lastError: keptProblem(fault) }),
          });
        }
        return {
          stageAgain: state === 'absent' || state === 'staging',
          fault: fault && faultOf(fault, { service }),
        };
      });
    },
  };
}

// A service that only previews, deletes and verifies may do without a manifest.
async function manifestOf(ask: () => Promise<Manifest>): Promise<Manifest | null> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Problem && error.code === 'route_unknown') return null;
    throw error;
  }
}

/** A table that came after the check: rows of the tenant may lie in it that nobody would delete. */
function forgottenTable(service: string, { unaccepted_tables: tables }: Manifest): Problem | null {
  const [table] = tables;
  if (table === undefined) return null;
  const others = tables.length > 1 ? ` (and ${tables.length - 1} more)` : '';
  const detail = `${service} has a table since the check that holds tenants' rows and that nobody has accepted: ${table}${others}. Accept it with a policy, then replay.`;
  return new Problem('plan_refused', detail, { service, table });
}

function tablesOf(preview: DeletionPreview): CheckedService['tables'] {
  if (preview.tables.length > MOST_TABLES) return null;
  return preview.tables.map(({ table, rows }) => [table, rows] as const);
}

function errorOf(refusals: readonly Finding[]): ServiceError | null {
  const [first, ...others] = refusals;
  if (first === undefined) return null;
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  return {
    code: first.code,
    message: `${first.message} ${first.remedy}${more}`.slice(0, LONGEST_MESSAGE),
    table: first.table,
    privilege: first.privilege,
    sqlstate: null,
    at: new Date().toISOString(),
  };
}

function keptProblem(problem: Problem): JobService['last_error'] {
  return {
    code: problem.code,
    message: problem.detail,
    table: problem.extras.table ?? null,
    privilege: null,
    sqlstate: null,
    at: new Date().toISOString(),
  };
}

function faultOfFinding(service: string, { code, table, privilege }: Finding): Fault {
  return {
    service,
    code: identifier(code, 80) ?? 'plan_refused',
    table: identifier(table, 130),
    privilege: identifier(privilege, 40),
    sqlstate: null,
    olderTransaction: false,
  };
}
