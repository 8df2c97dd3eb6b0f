/** The hash of a preview: whoever approves or starts a deletion says with it which preview they looked at. */
import { byCodeUnits, canonicalHash } from './canonical.js';

/** What of one service's preview the hash covers. */
export interface PreviewedPlan {
  readonly service: string;
  readonly planHash: string;
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
}

/** SHA-256 in hex over tenant, services, plans and counts, whatever order they come in. */
export function previewHash(tenantId: string, plans: readonly PreviewedPlan[]): string {
  const services = plans
    .map(({ service, planHash, tables }) => ({
      service,
      plan_hash: planHash,
      tables: tables
        .map(({ table, rows }) => ({ table, rows }))
        .sort((one, other) => byCodeUnits(one.table, other.table)),
    }))
    .sort((one, other) => byCodeUnits(one.service, other.service));
  return canonicalHash({ tenant_id: tenantId, services });
}
