/** The sweep: whether every erased tenant is still gone, at every service. */
import type { ServiceClient } from '../protocol/client.js';
import { Problem } from '../protocol/problems.js';
import { isPublicTenantKey } from '../protocol/workflow.js';
import type { ErasedMark } from '../records/erased.js';
import { sweepTenant } from '../records/sweep.js';
import type { Actor, Records } from '../records/types.js';
import type { HousekeepingWork } from './housekeeping.js';

export interface SweepSettings {
  /** `erase`: tenants known by UUID whose rows came back are erased again. */
  readonly resurrected: 'report' | 'erase';
  readonly requireApproval: boolean;
  readonly askWithinMs: number;
}

export interface SweepParts {
  readonly records: Pick<
    Records,
    'erasedTenants' | 'openJobOf' | 'noteReturned' | 'returnedRows' | 'getJob' | 'openReapply'
  >;
  readonly services: readonly ServiceClient[];
  readonly settings: SweepSettings;
  readonly logger: { warn(facts: object, message: string): void };
}

const SWEEP: Actor = { kind: 'system', id: 'lethe', role: 'sweep' };
const TENANTS_A_PAGE = 100;
const AT_ONCE = 4;

interface Tally {
  tenants: number;
  skipped: number;
  unanswered: number;
  returned: number;
  rows: number;
  erased_again: number;
}

export function createSweep(parts: SweepParts): HousekeepingWork {
  const { records } = parts;
  return async ({ cursor, signal }) => {
    const page = await records.erasedTenants({
      limit: TENANTS_A_PAGE,
      ...(cursor !== null && { cursor }),
    });
    /** Services that did not answer: they are not waited for again and again. */
    const silent = new Set<string>();
    const tally: Tally = { tenants: 0, skipped: 0, unanswered: 0, returned: 0, rows: 0, erased_again: 0 };
    const waiting = [...page.tenants];
    const next = async (): Promise<void> => {
      for (let mark = waiting.shift(); mark !== undefined; mark = waiting.shift()) {
        signal.throwIfAborted();
        await sweepOne(parts, mark, tally, silent, signal);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
    return { outcome: { ...tally }, cursor: page.nextCursor };
  };
}

async function sweepOne(
  parts: SweepParts,
  mark: ErasedMark,
  tally: Tally,
  silent: Set<string>,
  signal: AbortSignal,
): Promise<void> {
  const { records, settings, logger } = parts;
  const { tenantId } = mark;
  // By a hash nobody can be asked; and what an open job has staged is on its way out.
  if (mark.keyHashed || (await records.openJobOf(tenantId)) !== null) {
    tally.skipped += 1;
    return;
  }
  const services = parts.services.filter(({ service }) => !silent.has(service.name));
  const options = { records, services, timeoutMs: settings.askWithinMs, signal };
  const { check, appeared } = await sweepTenant(options, tenantId, SWEEP);
  for (const { name, error } of check.services) {
    if (error?.code === 'service_unavailable') silent.add(name);
  }
  tally.tenants += 1;
  tally.unanswered +=
    parts.services.length - services.length + check.services.filter(({ rows }) => rows === null).length;
  const found = check.services.filter(({ rows }) => rows !== null && rows > 0);
  if (found.length === 0) return;
  tally.returned += 1;
  tally.rows += found.reduce((sum, { rows }) => sum + (rows ?? 0), 0);
  for (const { service, rows } of appeared) {
    logger.warn({ job_id: mark.erasedBy, service, rows }, 'Rows of an erased tenant are back.');
  }
  if (await eraseAgain(parts, mark, signal)) tally.erased_again += 1;
}

async function wasCancelled(records: Pick<Records, 'getJob'>, jobId: string): Promise<boolean> {
  try {
    return (await records.getJob(jobId)).status === 'cancelled';
  } catch (error) {
    // Its record was older than records are kept.
    if (error instanceof Problem && error.code === 'job_unknown') return false;
    throw error;
  }
}

/** By the policy. The job's run is started by the reconciler, as for every open job that has none. */
async function eraseAgain(
  { records, settings, logger }: SweepParts,
  mark: ErasedMark,
  signal: AbortSignal,
): Promise<boolean> {
  const { tenantId } = mark;
  // A text key may be somebody else's by now, and a mark from a list was never decided here.
  if (settings.resurrected !== 'erase' || !isPublicTenantKey(tenantId) || mark.importedAt !== null) {
    return false;
  }
  const scope: string[] = [];
  for (const { service, cleared_at, reapplied_by } of await records.returnedRows(tenantId)) {
    signal.throwIfAborted();
    if (cleared_at !== null) continue;
    // Somebody has called it off; that stands until somebody asks for it.
    if (reapplied_by === null || !(await wasCancelled(records, reapplied_by))) scope.push(service);
  }
  if (scope.length === 0) return false;
  try {
    const { created } = await records.openReapply({
      tenantId,
      actor: SWEEP,
      services: scope,
      reason: null,
      approveImported: settings.requireApproval,
    });
    return created;
  } catch (error) {
    // On hold, or being released: it stays reported.
    if (!(error instanceof Problem) || error.code === 'records_unavailable') throw error;
    logger.warn(
      { job_id: mark.erasedBy, code: error.code },
      'Rows of an erased tenant were not erased again.',
    );
    return false;
  }
}
