/** The tenant's rows of the directory as NDJSON; members by their id alone, since users are nobody's property. */
import type { Tables } from './database.js';
import { MEMBERS, TENANTS } from './deletion.js';
import { checkTenantId } from './tenants.js';

const PAGE = 1_000;

/** A page of members at a time in memory. */
export async function* exportRows(tables: Tables, tenantId: string): AsyncGenerator<string> {
  checkTenantId(tenantId);
  const tenant = await tables.tenant.findUnique({ where: { id: tenantId } });
  if (tenant !== null) {
    const { createdAt, ...row } = tenant;
    yield line(TENANTS, { ...row, created_at: createdAt });
  }
  let after: string | null = null;
  for (;;) {
    const members: { userId: string; role: string; since: Date }[] = await tables.tenantMember.findMany({
      where: { tenantId, ...(after !== null && { userId: { gt: after } }) },
      orderBy: { userId: 'asc' },
      take: PAGE,
    });
    for (const { userId, role, since } of members) {
      yield line(MEMBERS, { tenant_id: tenantId, user_id: userId, role, since });
    }
    after = members.at(-1)?.userId ?? null;
    if (members.length < PAGE) return;
  }
}

function line(table: string, row: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify({ table, row })}\n`;
}
