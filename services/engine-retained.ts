/** What the engine says of rows that are retained, anonymized or kept, as the wire has it. */
import type { Engine, TableTerms } from '../erasure/engine-types.js';
import { startInWords } from '../erasure/retention/due.js';
import type { TableOutcome } from '../erasure/retention/outcome.js';
import type { Manifest, TableCount } from '../protocol/participant.js';
import type { Participant } from './http/participant.js';

type WireTerms = Manifest['tables'][number];
type WireOutcome = Omit<TableCount, 'table' | 'rows'>;

export function wireTerms({ table, action, ownedBy, retention, retainedWith }: TableTerms): WireTerms {
  return {
    table,
    action,
    owned_by: ownedBy,
    ...(retention && {
      ground: retention.ground.slice(0, 1000),
      period: retention.period,
      starts: startInWords(retention),
    }),
    ...(retainedWith && { retained_with: [...retainedWith] }),
  };
}

export function wireOutcome(outcome: TableOutcome): WireOutcome {
  const { deleted, retained, anonymized, kept, ground, retainUntil } = outcome;
  return {
    ...(deleted !== undefined && { deleted }),
    ...(retained !== undefined && { retained }),
    ...(anonymized !== undefined && { anonymized }),
    ...(kept !== undefined && { kept }),
    ...(ground !== undefined && { ground }),
    ...(retainUntil !== undefined && { retain_until: retainUntil }),
  };
}

/** The calls about what is retained of tenants who are gone. */
export function retainedCalls(
  name: string,
  engine: Pick<Engine, 'retained' | 'eraseDue'>,
): Pick<Participant['calls'], 'retained' | 'eraseDue'> {
  return {
    retained: async ({ query: { tenant_id = null, cursor = null } }) => {
      const { entries, nextCursor } = await engine.retained({ tenantId: tenant_id, cursor });
      return {
        service_name: name,
        entries: entries.map((one) => ({
          tenant_id: one.tenantId,
          job_id: one.jobId,
          table: one.table,
          why: one.why,
          ground: one.ground.slice(0, 1000),
          period: one.period,
          rows: one.rows,
          first_due_at: one.firstDueAt?.toISOString() ?? null,
          last_due_at: one.lastDueAt?.toISOString() ?? null,
          retained_at: one.retainedAt.toISOString(),
        })),
        next_cursor: nextCursor,
      };
    },
    eraseDue: async ({ body }) => {
      const { erased, held, more } = await engine.eraseDue({
        runId: body.run_id,
        before: new Date(body.before),
        exceptTenants: body.except_tenants,
        exceptJobs: body.except_jobs,
      });
      return {
        service_name: name,
        erased: erased.map(({ tenantId, jobId, table, ground, rows }) => ({
          tenant_id: tenantId,
          job_id: jobId,
          table,
          ground: ground.slice(0, 1000),
          rows,
        })),
        held,
        more,
      };
    },
  };
}
