/** A participant that stages, restores and purges by the protocol's table, over rows that it keeps in memory. */
import type { DeletionStatus, Finding, LedgerState, SliceWait } from '../../protocol/participant.js';
import { Problem } from '../../protocol/problems.js';
import { TRANSITIONS } from '../../protocol/transitions.js';
import type { Participant } from '../../services/http/participant.js';

interface Ledger {
  state: LedgerState;
  archive: string[];
  counted: number;
}

export interface StagingParticipant extends Participant {
  /** Live rows of each tenant. */
  readonly rows: Map<string, string[]>;
  /** What the preview finds. */
  findings: Finding[];
  /** Tables that nobody has accepted, by its manifest. */
  unaccepted: string[];
  planHash: string;
  /** What every slice waits for, where it waits. */
  waiting: SliceWait | null;
  /** Slices that a transition takes before it is done. */
  slices: number;
  /** Answered to every restore. */
  restoreConflict: boolean;
  /** Whether the export leaves a row out. */
  exportsLess: boolean;
  stateOf(tenantId: string, jobId: string): LedgerState;
  archived(tenantId: string): number;
  /** As a backup that is put back leaves it. */
  put(tenantId: string, jobId: string, state: LedgerState, archive?: readonly string[]): void;
  forget(tenantId: string, jobId: string): void;
}

const TABLE = 'things';

export function stagingParticipant(name: string): StagingParticipant {
  const ledgers = new Map<string, Ledger>();
  const progress = new Map<string, number>();
  const keyOf = (tenantId: string, jobId: string) => `${tenantId}/${jobId}`;
  const table = `${name}.${TABLE}`;

  const ledgerOf = (tenantId: string, jobId: string): Ledger => {
    const found = ledgers.get(keyOf(tenantId, jobId));
    return found ?? { state: 'absent', archive: [], counted: 0 };
  };
  const live = (tenantId: string) => played.rows.get(tenantId) ?? [];

  function move(tenantId: string, ledger: Ledger, target: 'staged' | 'restored' | 'purged'): void {
    if (target === 'staged') {
      ledger.archive.push(...live(tenantId));
      ledger.counted = ledger.archive.length;
      played.rows.delete(tenantId);
    }
    if (target === 'restored') {
      if (ledger.archive.length > 0) played.rows.set(tenantId, [...ledger.archive, ...live(tenantId)]);
      ledger.archive = [];
    }
    if (target === 'purged') {
      ledger.counted = Math.max(ledger.counted, ledger.archive.length) + live(tenantId).length;
      ledger.archive = [];
      played.rows.delete(tenantId);
    }
    ledger.state = target;
  }

  function status(tenantId: string, jobId: string, waiting: SliceWait | null = null): DeletionStatus {
    const { state, counted, archive } = ledgerOf(tenantId, jobId);
    return {
      tenant_id: tenantId,
      job_id: jobId,
      service_name: name,
      state,
      plan_hash: played.planHash,
      tables: [{ table, rows: counted }],
      rows_done: counted,
      rows_total: counted,
      waiting_for: waiting,
      staged_at: null,
      restored_at: null,
      purged_at: null,
      restorable: archive.length > 0 ? { possible: !played.restoreConflict, reasons: [] } : null,
    };
  }

  const played: StagingParticipant = {
    name,
    rows: new Map(),
    findings: [],
    unaccepted: [],
    planHash: 'a'.repeat(64),
    waiting: null,
    slices: 1,
    restoreConflict: false,
    exportsLess: false,
    async *exportRows(tenantId, jobId) {
      const rows = jobId === null ? live(tenantId) : ledgerOf(tenantId, jobId).archive;
      for (const id of played.exportsLess ? rows.slice(1) : rows) {
        yield `${JSON.stringify({ table, row: { id, tenant_id: tenantId } })}\n`;
      }
    },
    stateOf: (tenantId, jobId) => ledgerOf(tenantId, jobId).state,
    archived: (tenantId) =>
      [...ledgers].reduce(
        (sum, [key, { archive }]) => sum + (key.startsWith(`${tenantId}/`) ? archive.length : 0),
        0,
      ),
    put: (tenantId, jobId, state, archive = []) =>
      void ledgers.set(keyOf(tenantId, jobId), { state, archive: [...archive], counted: archive.length }),
    forget: (tenantId, jobId) => void ledgers.delete(keyOf(tenantId, jobId)),
    calls: {
      preview: async ({ params }) => ({
        tenant_id: params.tenant_id,
        service_name: name,
        plan_hash: played.planHash,
        reversible: true,
        total_rows: live(params.tenant_id).length,
        tables: [{ table, action: 'delete', rows: live(params.tenant_id).length, owned_by: 'tenant_id' }],
        findings: played.findings,
      }),
      manifest: async () => ({
        service_name: name,
        protocol_version: '1',
        reversible: true,
        fence: 'trigger',
        plan_hash: played.planHash,
        tables: [],
        unaccepted_tables: played.unaccepted,
        findings: [],
        open_jobs: [...ledgers].flatMap(([key, { state }]) => {
          const [tenant_id = '', job_id = ''] = key.split('/');
          const open = !['absent', 'restored', 'purged'].includes(state);
          return open ? [{ tenant_id, job_id, state }] : [];
        }),
      }),
      status: async ({ params }) => status(params.tenant_id, params.job_id),
      verification: async ({ params, query }) => {
        const left = live(params.tenant_id).length;
        const archived = played.archived(params.tenant_id);
        return {
          tenant_id: params.tenant_id,
          job_id: query.job_id ?? null,
          service_name: name,
          clean: left + archived === 0,
          rows_left: left + archived,
          tables: [{ table, live_rows: left, archived_rows: archived }],
          horizon: '1',
          horizon_passed: played.waiting?.kind !== 'older_transaction',
          waiting_for: played.waiting,
          verified_at: new Date().toISOString(),
        };
      },
      advance: async ({ params, body, claims }) => {
        const { tenant_id: tenantId, job_id: jobId } = params;
        const other = [...ledgers].find(
          ([key, { state }]) =>
            key.startsWith(`${tenantId}/`) &&
            key !== keyOf(tenantId, jobId) &&
            !['absent', 'restored', 'purged'].includes(state),
        );
        if (other && ledgerOf(tenantId, jobId).state === 'absent' && body.target !== 'restored') {
          const otherJob = other[0].split('/')[1] ?? '';
          if (claims.supersedes_job_id !== otherJob || body.target !== 'purged') {
            throw new Problem('other_job_open', 'Another job is open.', { job_id: otherJob });
          }
          ledgers.delete(other[0]);
        }
        if (body.target === 'staged' && body.plan_hash !== played.planHash) {
          throw new Problem('plan_drift', 'The plan has changed.');
        }
        const ledger = ledgerOf(tenantId, jobId);
        const transition = TRANSITIONS[ledger.state][body.target];
        if (transition.answer === 'refused') {
          throw new Problem(transition.code, `The ledger says ${ledger.state}.`, { state: ledger.state });
        }
        if (transition.answer === 'done') return status(tenantId, jobId);
        ledger.state = transition.meanwhile;
        ledgers.set(keyOf(tenantId, jobId), ledger);
        if (body.target === 'restored' && played.restoreConflict) {
          throw new Problem('restore_conflict', 'A key is taken.', { table });
        }
        if (played.waiting) {
          await new Promise((resolve) => setTimeout(resolve, body.time_budget_ms));
          return status(tenantId, jobId, played.waiting);
        }
        const step = `${keyOf(tenantId, jobId)}/${body.target}`;
        const done = (progress.get(step) ?? 0) + 1;
        progress.set(step, done);
        if (done < played.slices) return status(tenantId, jobId);
        move(tenantId, ledger, body.target);
        return status(tenantId, jobId);
      },
    },
    ready: async () => undefined,
    close: async () => undefined,
  };
  return played;
}
