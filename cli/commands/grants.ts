import { grantScript } from '../../erasure/install/grant-statements.js';
import type { PlanFinding } from '../../erasure/plan/types.js';
import { withWorkbench } from '../../erasure/workbench/workbench.js';
import { declarationOf } from '../../services/participant-file/declaration.js';
import { readParticipant } from '../../services/participant-file/files.js';
import { EXIT } from '../exit-codes.js';
import { databaseUrlFor, type ParticipantCommand } from '../participant/context.js';

export interface GrantsOptions {
  readonly config: string;
  readonly role: string;
  readonly check?: boolean;
  readonly fastPath?: boolean;
  readonly reader?: string;
  readonly databaseUrlEnv?: string;
}

/** Findings that rights and Lethe's own schema would end. */
const MISSING = new Set([
  'privilege_missing',
  'lethe_schema_missing',
  'retained_place_missing',
  'row_security',
]);

/** `lethe grants`: the SQL that gives a role what it needs, for a DBA to review; `--check`: what is missing. */
export const grants: ParticipantCommand<GrantsOptions> = async (context, options) => {
  const { out } = context;
  const file = await readParticipant(options.config);
  const declaration = declarationOf(file);
  const databaseUrl = databaseUrlFor(context, file, options);
  const { role } = options;
  if (options.check) {
    const plan = await withWorkbench({ databaseUrl, role, readOnly: true }, (bench) =>
      bench.plan(declaration),
    );
    const missing = plan.findings.filter(({ code }) => MISSING.has(code));
    out.document({ role, complete: missing.length === 0, missing });
    for (const finding of missing) out.line(`${out.colour('missing', 'red')}  ${said(finding)}`);
    if (missing.length === 0) out.line(`${role} has all that it needs.`);
    return missing.length === 0 ? EXIT.ok : EXIT.failed;
  }
  const sql = await withWorkbench({ databaseUrl, readOnly: true }, async (bench) =>
    grantScript({
      plan: await bench.plan(declaration),
      declaration,
      role,
      roleExists: await bench.hasRole(role),
      installed: await bench.isInstalled(declaration),
      fastPath: options.fastPath === true,
      ...(options.reader !== undefined && { reader: options.reader }),
    }),
  );
  out.document({ role, sql });
  out.line(sql.trimEnd());
  return EXIT.ok;
};

function said({ message, remedy }: PlanFinding): string {
  return `${message}\n         ${remedy}`;
}
