import { readFile, writeFile } from 'node:fs/promises';
import {
  erasedCheck,
  erasedExport,
  erasedImport,
  erasedPage,
  erasedTenantView,
  releaseView,
} from '../../protocol/erased.js';
import { UsageError } from '../api-client.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';
import { count } from '../output.js';

export interface ErasedListOptions {
  readonly limit: string;
  readonly cursor?: string;
}

const ofTenant = (tenant: string) => `/api/v1/erased-tenants/${encodeURIComponent(tenant)}`;

/** `lethe erased list`: oldest first, a page at a time; exit 1 where rows came back. */
export const listErased: Command<ErasedListOptions> = async ({ api, out }, options) => {
  const query = new URLSearchParams({ limit: options.limit });
  if (options.cursor !== undefined) query.set('cursor', options.cursor);
  const page = await api.call(erasedPage, 'GET', `/api/v1/erased-tenants?${query}`);
  out.document(page);
  if (page.tenants.length === 0) {
    out.line('Nobody has been erased.');
    return EXIT.ok;
  }
  out.table(
    ['tenant', 'erased', 'job', 'rows that came back'],
    page.tenants.map(({ tenant, erased_at, job_id, rows_returned }) => [
      tenant,
      erased_at,
      job_id,
      rows_returned,
    ]),
  );
  if (page.next_cursor) out.line(`\nMore: the same command with --cursor ${page.next_cursor}`);
  return page.tenants.some(({ rows_returned }) => rows_returned > 0) ? EXIT.failed : EXIT.ok;
};

/** `lethe erased check TENANT`: asks every service now; exit 1 where rows are, or a service does not answer. */
export const checkErased: Command<object, [tenant: string]> = async ({ api, out }, _options, tenant) => {
  const check = await api.call(erasedCheck, 'POST', `${ofTenant(tenant)}/check`, {});
  const view = await api.call(erasedTenantView, 'GET', ofTenant(tenant));
  out.document({ ...view, check });
  out.line(`${out.strong(`Tenant ${view.tenant}`)}, erased at ${view.erased_at} by job ${view.job_id}`);
  if (view.imported_at) out.line(`The mark came with a list, at ${view.imported_at}.`);
  for (const { name, rows, tables, error } of check.services) {
    if (rows === 0) continue;
    out.line(
      rows === null
        ? `${out.colour('✗', 'red')} ${name} does not say: ${error?.message ?? 'no answer'}`
        : `${out.colour('✗', 'red')} ${name} has ${count(rows)} rows of it`,
    );
    for (const { table, live_rows, archived_rows } of tables) {
      out.line(out.dim(`    ${table}: ${count(live_rows)} live, ${count(archived_rows)} archived`));
    }
  }
  const again = view.reapplied_by[0];
  if (again !== undefined) out.line(`Erased again, or being so, by job ${again}.`);
  out.line(
    check.clean
      ? out.colour('Gone: every service counts zero.', 'green')
      : out.colour('Not gone, or not known to be: lethe reapply --service … erases it again.', 'red'),
  );
  return check.clean ? EXIT.ok : EXIT.failed;
};

/** `lethe erased export`: the signed list, into a file or onto standard output. */
export const exportErased: Command<{ out?: string }> = async ({ api, out }, options) => {
  const { list } = await api.call(erasedExport, 'GET', '/api/v1/erased-tenants/export');
  if (options.out === undefined) {
    out.document({ list });
    out.line(list);
    return EXIT.ok;
  }
  await writeFile(options.out, `${list}\n`, { mode: 0o600 });
  out.document({ file: options.out });
  out.line(
    `The signed list of erased tenants is in ${options.out}. Keep it where no database is lost with it.`,
  );
  return EXIT.ok;
};

/** `lethe erased import FILE`: marks the tenants of a list as erased; the platform checks its signature first. */
export const importErased: Command<object, [file: string]> = async ({ api, out }, _options, file) => {
  const list = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`);
  });
  const done = await api.call(erasedImport, 'POST', '/api/v1/erased-tenants/import', { list: list.trim() });
  out.document(done);
  out.line(`${count(done.imported)} tenants marked as erased; ${count(done.known)} were marked already.`);
  for (const tenant of done.left_out) out.line(`Left out, since a job of it is open: ${tenant}`);
  return done.left_out.length > 0 ? EXIT.failed : EXIT.ok;
};

/** `lethe tombstone release TENANT`: asks for it; somebody else approves. */
export const releaseTombstone: Command<{ reason: string }, [tenant: string]> = async (
  { api, out },
  options,
  tenant,
) => {
  const path = `/api/v1/tenants/${encodeURIComponent(tenant)}/tombstone-release`;
  const release = await api.call(releaseView, 'POST', path, { reason: options.reason });
  out.document(release);
  out.line(
    `Asked for. Until ${release.expires_at} somebody else may approve it: lethe tombstone approve ${tenant}`,
  );
  return EXIT.ok;
};

/** `lethe tombstone approve TENANT`: never by who asked. */
export const approveRelease: Command<object, [tenant: string]> = async ({ api, out }, _options, tenant) => {
  const path = `/api/v1/tenants/${encodeURIComponent(tenant)}/tombstone-release/approve`;
  const release = await api.call(releaseView, 'POST', path, {});
  out.document(release);
  out.line('Approved: every service lifts its tombstones, and the mark goes last.');
  out.line(`How far it is: lethe erased check ${tenant}`);
  return EXIT.ok;
};
