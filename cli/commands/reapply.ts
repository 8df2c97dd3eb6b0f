import { type Reapplied, reapplied } from '../../protocol/erased.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';
import { count } from '../output.js';

export interface ReapplyOptions {
  readonly service: string;
  readonly tenant?: string;
  readonly dryRun?: boolean;
  readonly reason?: string;
}

/** `lethe reapply --service S`: erases again what a service has of erased tenants, as after a restore from backup. */
export const reapply: Command<ReapplyOptions> = async ({ api, out }, options) => {
  const path = `/api/v1/services/${encodeURIComponent(options.service)}/reapply`;
  const tenants: Reapplied['tenants'] = [];
  let checked = 0;
  let cursor: string | null = null;
  do {
    const page: Reapplied = await api.call(reapplied, 'POST', path, {
      ...(options.tenant !== undefined && { tenant_id: options.tenant }),
      ...(options.dryRun && { dry_run: true }),
      ...(options.reason !== undefined && { reason: options.reason }),
      ...(cursor !== null && { cursor }),
    });
    checked += page.checked;
    tenants.push(...page.tenants);
    cursor = page.next_cursor;
  } while (cursor !== null);
  const leftOut = tenants.filter(({ left_out }) => left_out !== null);
  out.document({ service: options.service, checked, tenants });
  if (tenants.length > 0) {
    out.table(
      ['tenant', 'rows', options.dryRun ? 'what would happen' : 'job'],
      tenants.map(({ tenant, rows, job_id, left_out }) => [
        tenant,
        rows,
        left_out === null ? (job_id ?? 'erased again') : out.colour(`left out: ${left_out}`, 'red'),
      ]),
    );
    out.line();
  }
  out.line(
    `${count(checked)} erased tenants asked for at ${options.service}; ${tenants.length} have rows there.`,
  );
  if (!options.dryRun && tenants.length > leftOut.length) {
    out.line('Follow the jobs with lethe jobs list; then lethe erased check TENANT.');
  }
  return leftOut.length > 0 ? EXIT.failed : EXIT.ok;
};
