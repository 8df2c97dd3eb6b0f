/** What a deletion would do to one tenant, without doing it: rows per table, and rows that stand in the way. */
import type pg from 'pg';
import type { Preview } from '../engine-types.js';
import { leaves } from '../plan/policy.js';
import { termsOf } from '../plan/terms.js';
import type { Plan } from '../plan/types.js';
import { allOwned } from '../selection.js';
import { conflictChecks, findingsFrom } from './conflicts.js';
import { countEach } from './counts.js';
import { orphanChecks } from './orphans.js';
import { isReadable } from './readable.js';
import { sharedRowChecks } from './shared-rows.js';

/**
 * Counts in one statement, however many tables there are. A plan with refusals is previewed too; tables that cannot
 * be read are counted as zero, and a finding of the plan says why.
 */
export async function previewTenant(client: pg.ClientBase, plan: Plan, tenantId: string): Promise<Preview> {
  const counted = plan.tables.filter(({ table }) => isReadable(plan, table.oid));
  const checks = [...conflictChecks(plan), ...sharedRowChecks(plan), ...orphanChecks(plan)];
  const counts = await countEach(
    client,
    [...counted.map(({ table }) => allOwned(plan, table.oid)), ...checks.map(({ source }) => source)],
    tenantId,
  );
  const rowsByTable = new Map(counted.map(({ table }, place) => [table.oid, counts[place] ?? 0]));
  const tables = plan.tables.map((one) => ({
    ...termsOf(one),
    rows: rowsByTable.get(one.table.oid) ?? 0,
  }));
  return {
    tenantId,
    planHash: plan.hash,
    totalRows: tables.filter(leaves).reduce((sum, { rows }) => sum + rows, 0),
    tables,
    findings: [...findingsFrom(checks, counts.slice(counted.length)), ...plan.findings],
  };
}
