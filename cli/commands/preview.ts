import { type TenantPreview, tenantPreview } from '../../protocol/jobs.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';
import { count } from '../output.js';

/** `lethe preview TENANT`: what a deletion would remove; changes nothing. */
export const preview: Command<{ tables?: boolean }, [tenant: string]> = async (
  { api, out },
  options,
  tenant,
) => {
  const path = `/api/v1/tenants/${encodeURIComponent(tenant)}/deletion-preview`;
  const found = await api.call(tenantPreview, 'GET', path);
  out.document(found);
  out.line(`${out.strong(`Deletion preview of tenant ${tenant}`)}\n`);
  if (found.tenant) out.line(`${recognised(found.tenant)}\n`);
  const rows = found.services.map((service) => {
    if (!service.preview)
      return [service.name, '-', 0, out.colour(service.error?.message ?? 'no answer', 'red')];
    const refusals = service.preview.findings.filter((finding) => finding.severity === 'refusal');
    const back =
      service.role === 'tenant_directory'
        ? 'goes last; suspended until then'
        : service.preview.reversible
          ? 'can be brought back until the pivot'
          : 'final once called';
    const note =
      refusals.length > 0 ? out.colour(refusals.map((one) => one.message).join('; '), 'red') : out.dim(back);
    return [service.name, String(service.preview.tables.length), service.preview.total_rows, note];
  });
  out.table(['service', 'tables', 'rows', ''], rows);
  if (options.tables) {
    for (const service of found.services) {
      out.line(`\n${out.strong(service.name)}`);
      out.table(
        ['table', 'action', 'rows', 'the tenant’s because'],
        (service.preview?.tables ?? []).map((table) => [
          table.table,
          table.period === undefined ? table.action : `${table.action} ${table.period}`,
          table.rows,
          table.owned_by,
        ]),
      );
      for (const { table, period, starts, ground } of service.preview?.tables ?? []) {
        if (period !== undefined)
          out.line(out.dim(`${table} is retained for ${period} from ${starts}: ${ground}`));
      }
    }
  }
  const warnings = found.services.flatMap((service) =>
    (service.preview?.findings ?? []).filter((finding) => finding.severity === 'warning'),
  );
  if (warnings.length > 0) out.line();
  for (const { table, message } of warnings) {
    out.line(`${out.colour('warning', 'yellow')}  ${table === null ? '' : `${table}: `}${message}`);
  }
  out.line(`\n${out.strong('total')}         ${count(found.total_rows)} rows`);
  if (found.preview_hash) out.line(`preview hash  ${found.preview_hash}`);
  const blocked = found.services.some(
    (service) =>
      !service.preview || service.preview.findings.some((finding) => finding.severity === 'refusal'),
  );
  if (blocked) out.line(out.colour('\nA deletion would be refused as things stand.', 'red'));
  return blocked ? EXIT.notDeleted : EXIT.ok;
};

/** By what a person would recognise the tenant. */
function recognised(tenant: NonNullable<TenantPreview['tenant']>): string {
  const { name, status, created_at, members, last_activity_at } = tenant;
  return [
    `${name} (${status})`,
    `there since ${created_at.slice(0, 10)}`,
    ...(members === null ? [] : [`${count(members)} ${members === 1 ? 'member' : 'members'}`]),
    ...(last_activity_at === null ? [] : [`last active ${last_activity_at.slice(0, 10)}`]),
  ].join(', ');
}
