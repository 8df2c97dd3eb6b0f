/** The hash of a preview: whoever approves or starts a deletion says with it which preview they looked at. */
import { createHash } from 'node:crypto';
import canonicalizeModule from 'canonicalize';

/** What of one service's preview the hash covers. */
export interface PreviewedPlan {
  readonly service: string;
  readonly planHash: string;
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
}

// The package is CommonJS, and its types name a default export that Node does not give.
const canonicalize = canonicalizeModule as unknown as (value: unknown) => string | undefined;

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
  const text = canonicalize({ tenant_id: tenantId, services });
  return createHash('sha256')
    .update(text ?? '')
    .digest('hex');
}

// Not by the machine's language: two processes have to come to the same hash.
function byCodeUnits(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
