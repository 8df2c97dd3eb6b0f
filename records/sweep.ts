/** Asks services whether an erased tenant is still gone, and writes down what they say. */
import type { ServiceClient } from '../protocol/client.js';
import type { ErasedCheck } from '../protocol/erased.js';
import { Problem } from '../protocol/problems.js';
import type { FoundAtService } from './returned-rows.js';
import type { Actor, Records } from './types.js';

export interface SweepOptions {
  readonly records: Pick<Records, 'noteReturned'>;
  readonly services: readonly ServiceClient[];
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface Swept {
  readonly check: ErasedCheck;
  /** Services where rows are that no sweep has seen before. */
  readonly appeared: readonly FoundAtService[];
}

/** One tenant at every service given. A service that does not answer is named, and what was known of it stays. */
export async function sweepTenant(options: SweepOptions, tenantId: string, actor: Actor): Promise<Swept> {
  const services = await askServices(options, tenantId);
  const found = services.flatMap(({ name, rows, tables }) =>
    rows === null ? [] : [{ service: name, rows, tables }],
  );
  const { appeared } = await options.records.noteReturned(tenantId, found, actor);
  return { check: { clean: services.every(({ rows }) => rows === 0), services }, appeared };
}

/** What each service's own verification counts now. */
export function askServices(
  { services, timeoutMs, signal }: Omit<SweepOptions, 'records'>,
  tenantId: string,
): Promise<ErasedCheck['services']> {
  return Promise.all(services.map((service) => ask(service, tenantId, timeoutMs, signal)));
}

async function ask(
  service: ServiceClient,
  tenantId: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<ErasedCheck['services'][number]> {
  const { name } = service.service;
  try {
    const options = { timeoutMs, ...(signal && { signal }) };
    const params = { tenant_id: tenantId };
    const { rows_left: rows, tables } = await service.call('verification', { params }, options);
    const left = tables.filter(({ live_rows, archived_rows }) => live_rows + archived_rows > 0);
    return { name, rows, tables: left, error: null };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // A service may say of a tenant that it does not have it.
    if (error.code === 'tenant_unknown' || error.code === 'already_erased') {
      return { name, rows: 0, tables: [], error: null };
    }
    return { name, rows: null, tables: [], error: { code: error.code, message: error.detail } };
  }
}
