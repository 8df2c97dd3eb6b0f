/** Has the person at the terminal type the tenant's name: a wrong id looks like a right one, a wrong name does not. */
import { tenantPreview } from '../protocol/jobs.js';
import { UsageError } from './api-client.js';
import type { CommandContext } from './context.js';
import { count } from './output.js';

/** The name as it was typed; undefined where there is nobody to ask, or no directory that knows names. */
export async function confirmedName(
  { api, out, ask }: CommandContext,
  tenant: string,
): Promise<string | undefined> {
  if (!ask || out.json) return undefined;
  const path = `/api/v1/tenants/${encodeURIComponent(tenant)}/deletion-preview`;
  const preview = await api.call(tenantPreview, 'GET', path);
  const found = preview.tenant ?? null;
  if (found === null) return undefined;
  const facts = [
    found.members === null ? null : `${count(found.members)} ${found.members === 1 ? 'member' : 'members'}`,
    `${count(preview.total_rows)} rows`,
    found.last_activity_at === null ? null : `last active ${found.last_activity_at}`,
  ].filter((fact) => fact !== null);
  out.line(`${out.strong(found.name)}: ${facts.join(', ')}.`);
  const typed = (await ask('Type its name to delete it: ')).trim();
  if (typed !== found.name.trim()) throw new UsageError('That is not its name. Nothing was asked for.');
  return typed;
}
