/** `lethe coverage`: whether every table that holds tenants' rows is accepted, with a policy. */
import { withWorkbench } from '../../erasure/workbench/workbench.js';
import { servicesView } from '../../protocol/platform.js';
import { declarationOf } from '../../services/participant-file/declaration.js';
import { readParticipants } from '../../services/participant-file/files.js';
import type { Command } from '../context.js';
import { EXIT } from '../exit-codes.js';
import type { Output } from '../output.js';
import { databaseUrlFor, type ParticipantCommand } from '../participant/context.js';

interface Covered {
  readonly service: string;
  readonly accepted: number;
  readonly unaccepted: readonly string[];
  /** Declared, and not in the database. */
  readonly missing: readonly string[];
  /** Why it could not be asked. */
  readonly error: string | null;
}

/** Of every service of a running deployment, as they say themselves. */
export const coverageOfServices: Command<object> = async ({ api, out }) => {
  const { services } = await api.call(servicesView, 'GET', '/api/v1/services');
  return show(
    out,
    services.map(({ name, coverage, manifest, error }) => ({
      service: name,
      accepted: coverage?.accepted ?? 0,
      unaccepted: coverage?.unaccepted ?? [],
      missing: missingIn(manifest?.findings ?? []),
      error: coverage === null ? (error?.message ?? 'It has told nothing of its tables.') : null,
    })),
  );
};

/** Of participants' files against their databases, for the pipelines of the teams who own them. */
export const coverageOfFiles: ParticipantCommand<{
  readonly config: string;
  readonly databaseUrlEnv?: string;
}> = async (context, options) => {
  const covered: Covered[] = [];
  for (const { file } of await readParticipants(options.config)) {
    const databaseUrl = databaseUrlFor(context, file, options);
    const declaration = declarationOf(file);
    const plan = await withWorkbench({ databaseUrl, readOnly: true }, (bench) => bench.plan(declaration));
    covered.push({
      service: file.name,
      accepted: plan.tables.filter(({ label }) => !plan.unacceptedTables.includes(label)).length,
      unaccepted: plan.unacceptedTables,
      missing: missingIn(plan.findings),
      error: null,
    });
  }
  return show(context.out, covered);
};

function missingIn(findings: readonly { code: string; table: string | null }[]): string[] {
  return findings.flatMap(({ code, table }) =>
    code === 'declared_table_missing' && table !== null ? [table] : [],
  );
}

function isComplete({ unaccepted, missing, error }: Covered): boolean {
  return error === null && unaccepted.length === 0 && missing.length === 0;
}

function show(out: Output, services: readonly Covered[]): number {
  const complete = services.every(isComplete);
  out.document({ complete, services });
  out.table(
    ['service', 'accepted', 'not accepted', 'covered'],
    services.map((one) => [
      one.service,
      one.error === null ? one.accepted : '',
      one.error === null ? one.unaccepted.length : '',
      isComplete(one) ? 'yes' : 'no',
    ]),
  );
  for (const { service, unaccepted, missing, error } of services) {
    if (error !== null) out.line(`\n${out.colour(service, 'red')}: ${error}`);
    for (const table of unaccepted)
      out.line(
        `\n${out.colour(service, 'red')}: ${table} holds tenants' rows, and nobody has accepted it with a policy.`,
      );
    for (const table of missing)
      out.line(`\n${out.colour(service, 'red')}: ${table} is declared, and does not exist.`);
  }
  out.line(
    complete
      ? `\n${out.colour("Every table that holds tenants' rows is accepted.", 'green')}`
      : `\n${out.colour('Not covered: no tenant is deleted until this has been decided.', 'red')}`,
  );
  return complete ? EXIT.ok : EXIT.failed;
}
