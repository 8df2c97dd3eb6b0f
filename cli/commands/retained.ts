/** `lethe retained`: what is retained of erased tenants, by the platform or at one participant's database. */
import { z } from 'zod';
import { createEngine } from '../../erasure/engine.js';
import type { Engine } from '../../erasure/engine-types.js';
import { type RetainedEntry, retainedPage } from '../../protocol/retained.js';
import { retainedCalls } from '../../services/engine-retained.js';
import { declarationOf } from '../../services/participant-file/declaration.js';
import { readParticipant } from '../../services/participant-file/files.js';
import { UsageError } from '../api-client.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';
import { saveTo } from '../files.js';
import { count, type Output } from '../output.js';
import type { ParticipantContext } from '../participant/context.js';

export interface RetainedOptions {
  readonly service?: string;
  readonly tenant?: string;
  readonly config?: string;
  readonly databaseUrlEnv?: string;
}

const answer = z.object({
  services: z.array(
    z.object({
      name: z.string(),
      retained: retainedPage.omit({ service_name: true }).nullable(),
      error: z.object({ code: z.string(), message: z.string() }).nullable(),
    }),
  ),
});
type Listed = z.output<typeof answer>['services'][number];

/** `lethe retained list`: counts by table, ground and date. Status 1 where a service did not answer. */
export const listRetained: Command<RetainedOptions> = async ({ api, out }, options) => {
  const found: Listed[] = [];
  const query = new URLSearchParams();
  if (options.service !== undefined) query.set('service', options.service);
  if (options.tenant !== undefined) query.set('tenant_id', options.tenant);
  const { services } = await api.call(answer, 'GET', `/api/v1/retained?${query}`);
  for (const first of services) {
    const entries = [...(first.retained?.entries ?? [])];
    for (let cursor = first.retained?.next_cursor ?? null; cursor !== null; ) {
      const more = new URLSearchParams({ ...Object.fromEntries(query), service: first.name, cursor });
      const [next] = (await api.call(answer, 'GET', `/api/v1/retained?${more}`)).services;
      if (!next?.retained) throw new UsageError(`${first.name}: ${next?.error?.message ?? 'no answer'}`);
      entries.push(...next.retained.entries);
      cursor = next.retained.next_cursor;
    }
    found.push({ ...first, retained: first.retained && { entries, next_cursor: null } });
  }
  out.document(
    found.map(({ name, retained, error }) => ({ name, entries: retained?.entries ?? null, error })),
  );
  for (const { name, retained, error } of found) {
    if (error !== null) out.line(out.colour(`${name}: ${error.message}`, 'red'));
    else if (retained !== null && retained.entries.length > 0) printEntries(out, name, retained.entries);
  }
  const rows = found
    .flatMap(({ retained }) => retained?.entries ?? [])
    .reduce((sum, one) => sum + one.rows, 0);
  out.line(rows === 0 ? 'Nothing is retained.' : `${count(rows)} rows are retained.`);
  return found.some(({ error }) => error !== null) ? EXIT.failed : EXIT.ok;
};

/** The same of one participant's database, without the platform. */
export async function listRetainedAt(
  context: ParticipantContext,
  options: RetainedOptions & { readonly config: string },
): Promise<number> {
  const { out } = context;
  const file = await readParticipant(options.config);
  const databaseUrl = context.host.databaseUrl(options.databaseUrlEnv ?? file.database_url_env);
  return withEngine({ databaseUrl, declaration: declarationOf(file) }, async (engine) => {
    const list = retainedCalls(file.name, engine).retained;
    const entries: RetainedEntry[] = [];
    for (let cursor: string | null | undefined; cursor !== null && list !== undefined; ) {
      const query = {
        ...(options.tenant !== undefined && { tenant_id: options.tenant }),
        ...(cursor && { cursor }),
      };
      const page = await list({ query } as Parameters<typeof list>[0]);
      entries.push(...page.entries);
      cursor = page.next_cursor;
    }
    out.document(entries);
    if (entries.length === 0) out.line('Nothing is retained.');
    else printEntries(out, file.name, entries);
    return EXIT.ok;
  });
}

/** `lethe retained export`: the rows themselves, one a line, in a file. */
export const exportRetained: Command<RetainedOptions & { readonly out: string }> = async (
  { api, out },
  options,
) => {
  if (options.service === undefined) throw new UsageError('Say of which service: --service NAME.');
  const query = new URLSearchParams({ service: options.service });
  if (options.tenant !== undefined) query.set('tenant_id', options.tenant);
  await saveTo(options.out, await api.download(`/api/v1/retained/export?${query}`, 'application/x-ndjson'));
  out.document({ file: options.out });
  out.line(`Written to ${options.out}: a row a line, with its ground and date.`);
  return EXIT.ok;
};

/** Likewise, by the URL of the role that may read them, which the participant's file names. */
export async function exportRetainedAt(
  context: ParticipantContext,
  options: RetainedOptions & { readonly config: string; readonly out: string },
): Promise<number> {
  const { out } = context;
  const file = await readParticipant(options.config);
  const variable = options.databaseUrlEnv ?? file.retained_url_env;
  if (variable === undefined) {
    throw new UsageError(
      `${options.config} names no retained_url_env: the variable with the URL of the role that may read what is retained.`,
    );
  }
  const retainedUrl = context.host.databaseUrl(variable);
  const connection = { databaseUrl: retainedUrl, retainedUrl, declaration: declarationOf(file) };
  return withEngine(connection, async (engine) => {
    let rows = 0;
    async function* lines() {
      for await (const line of engine.exportRetained(options.tenant ?? null)) {
        rows += 1;
        yield Buffer.from(line);
      }
    }
    await saveTo(options.out, lines());
    out.document({ file: options.out, rows });
    out.line(`${count(rows)} rows written to ${options.out}.`);
    return EXIT.ok;
  });
}

const LIMITS = { lockTimeoutMs: 4_000, longestTransactionMs: 600_000 };

async function withEngine(
  connection: Pick<Parameters<typeof createEngine>[0], 'databaseUrl' | 'retainedUrl' | 'declaration'>,
  work: (engine: Engine) => Promise<number>,
): Promise<number> {
  const engine = createEngine({ ...connection, limits: LIMITS, poolSize: 1 });
  try {
    return await work(engine);
  } finally {
    await engine.close();
  }
}

function printEntries(out: Output, service: string, entries: readonly RetainedEntry[]): void {
  out.line(out.dim(service));
  out.table(
    ['tenant', 'table', 'rows', 'until', 'ground'],
    entries.map((one) => [
      one.tenant_id,
      one.table,
      one.rows,
      one.last_due_at?.slice(0, 10) ?? 'no date',
      `${one.ground}${one.why === 'referred_to' ? ' (referred to)' : ''}`,
    ]),
  );
  out.line();
}
