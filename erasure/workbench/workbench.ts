/** A participant's database as a person looks at it: before it is served, and beside. */
import pg from 'pg';
import { readCatalog } from '../catalog/read.js';
import type { Declaration } from '../declaration.js';
import { EngineError, type Preview } from '../engine-types.js';
import { engineError } from '../errors.js';
import { LEDGER } from '../install/ledger-sql.js';
import { candidatesOf } from '../plan/candidates.js';
import { makePlan } from '../plan/make-plan.js';
import type { Plan } from '../plan/types.js';
import { previewTenant } from '../preview/preview.js';
import { evidenceFor } from '../questions/evidence.js';
import { questionsOf } from '../questions/questions.js';
import type { Question } from '../questions/types.js';
import { ident, qualified } from '../quote.js';
import { settingsQuery } from '../session/settings.js';
import { tenantKey } from '../tenant-key.js';
import { type Estimate, estimateOf } from './estimate.js';
import { Fences } from './fences.js';

export interface WorkbenchOptions {
  readonly databaseUrl: string;
  /** What is asked is asked as this role. The connected one has to be a superuser or a member of it. */
  readonly role?: string;
  /** PostgreSQL refuses every change then. */
  readonly readOnly: boolean;
}

const CONNECT_WITHIN_MS = 10_000;
const STATEMENT_WITHIN_MS = 600_000;
const LOCK_WITHIN_MS = 5_000;

/** Connects for the time of `work`. Failures are told as `EngineError`. */
export async function withWorkbench<T>(
  options: WorkbenchOptions,
  work: (bench: Workbench) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    connectionString: options.databaseUrl,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    options: '-c search_path=pg_catalog',
  });
  // A connection that breaks tells so at its next statement.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const settings = settingsQuery({
      applicationName: 'lethe cli',
      lockTimeoutMs: LOCK_WITHIN_MS,
      statementTimeoutMs: STATEMENT_WITHIN_MS,
    });
    await client.query(settings);
    if (options.readOnly) await client.query('SET default_transaction_read_only = on');
    const bench = new Workbench(client);
    if (options.role !== undefined) await bench.become(options.role);
    return await work(bench);
  } catch (error) {
    throw engineError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

export class Workbench {
  readonly fences: Fences;

  constructor(private readonly client: pg.Client) {
    this.fences = new Fences(client);
  }

  /** Throws where the connected role may not. */
  async become(role: string): Promise<void> {
    if (!(await this.hasRole(role))) {
      throw new EngineError('database_error', `The role ${ident(role)} does not exist in this cluster.`);
    }
    await this.client.query(`SET ROLE ${ident(role)}`);
  }

  async hasRole(role: string): Promise<boolean> {
    const { rowCount } = await this.client.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
    return rowCount === 1;
  }

  /** Whether Lethe's ledger is there. */
  async isInstalled({ letheSchema }: Declaration): Promise<boolean> {
    const { rows } = await this.client.query<{ there: boolean }>(
      'SELECT to_regclass($1) IS NOT NULL AS there',
      [qualified({ schema: letheSchema, name: LEDGER })],
    );
    return rows[0]?.there === true;
  }

  async plan(declaration: Declaration): Promise<Plan> {
    return makePlan(await readCatalog(this.client, declaration), declaration);
  }

  /** What the catalog leaves open. Looks at a few rows where they can be read. */
  async questions(plan: Plan, declaration: Declaration): Promise<Question[]> {
    const { catalog, ownedTables } = plan;
    const candidates = candidatesOf({ catalog, declaration, ownedTables });
    return questionsOf(plan, declaration, await evidenceFor(this.client, plan, candidates));
  }

  /** What would go with one tenant, and what that would take. */
  async preview(plan: Plan, tenantId: string): Promise<{ preview: Preview; estimate: Estimate }> {
    const preview = await previewTenant(this.client, plan, tenantKey(tenantId, plan.tenantType));
    return { preview, estimate: await estimateOf(this.client, plan, preview) };
  }

  /** Schemas that hold tables and are not PostgreSQL's own. */
  async schemas(): Promise<string[]> {
    const { rows } = await this.client.query<{ name: string }>(
      `SELECT DISTINCT n.nspname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
          AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  }
}
