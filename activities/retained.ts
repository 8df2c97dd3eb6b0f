/** Erases retained rows whose date has come, at every service, but for tenants under a legal hold. */
import type { ServiceClient } from '../protocol/client.js';
import { Problem } from '../protocol/problems.js';
import type { ErasedDue } from '../protocol/retained.js';
import type { Actor, Records } from '../records/types.js';
import type { HousekeepingWork, StepContext } from './housekeeping.js';

export interface RetainedParts {
  readonly records: Pick<Records, 'tenantsOnHold' | 'auditOnce'>;
  readonly services: readonly ServiceClient[];
  readonly settings: { readonly timeoutMs: number };
}

const RETENTION: Actor = { kind: 'system', id: 'lethe', role: 'retention' };

export function createRetained({ records, services, settings }: RetainedParts): HousekeepingWork {
  const participants = services.filter(({ service }) => service.role === 'participant');

  /** The same request goes on, and its answer tells all that this run has erased, also by an answer that was lost. */
  async function eraseAt(client: ServiceClient, context: StepContext): Promise<Tally> {
    for (;;) {
      const answer = await client.call(
        'eraseDue',
        {
          params: {},
          body: {
            run_id: context.runId,
            before: context.dueAt.toISOString(),
            // Asked anew each time: a hold may have come meanwhile.
            except_tenants: await records.tenantsOnHold(),
          },
        },
        { timeoutMs: settings.timeoutMs, signal: context.signal },
      );
      if (answer.more) continue;
      await tell(client.service.name, answer, context.runId);
      const rows = answer.erased.reduce((sum, one) => sum + one.rows, 0);
      return { rows, held: answer.held, failed: 0 };
    }
  }

  async function tell(service: string, { erased }: ErasedDue, runId: string): Promise<void> {
    for (const { tenant_id: tenantId, job_id, table, ground, rows } of erased) {
      await records.auditOnce({
        jobId: null,
        tenantId,
        actor: RETENTION,
        action: 'retained rows erased',
        details: { service, job_id, table, ground, rows, run_id: runId },
      });
    }
  }

  return async (context) => {
    const tallies = await Promise.all(
      participants.map(async (client) => {
        try {
          return await eraseAt(client, context);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          if (error.code === 'records_unavailable') throw error;
          // A simple participant retains nothing; one that is away is asked again at the next time.
          return error.code === 'route_unknown' ? NOTHING : { ...NOTHING, failed: 1 };
        }
      }),
    );
    const sum = (of: keyof Tally) => tallies.reduce((total, tally) => total + tally[of], 0);
    const outcome = {
      services: participants.length,
      rows: sum('rows'),
      held: sum('held'),
      failed: sum('failed'),
    };
    return { outcome, cursor: null };
  };
}

interface Tally {
  readonly rows: number;
  readonly held: number;
  readonly failed: number;
}
const NOTHING: Tally = { rows: 0, held: 0, failed: 0 };
