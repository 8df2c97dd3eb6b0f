/** The twelve services as the bench works on them: a connection by hand and an engine for each, all in parallel. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { readCatalog } from '../erasure/catalog/read.js';
import { createEngine } from '../erasure/engine.js';
import type { Engine, Target } from '../erasure/engine-types.js';
import { makePlan } from '../erasure/plan/make-plan.js';
import type { Plan } from '../erasure/plan/types.js';
import { qualified } from '../erasure/quote.js';
import { urlForRole } from '../local/roles.js';
import { declarations } from '../services/registry.js';
import { COPIES, copies, counts, deletions, insertions } from './by-hand.js';

interface Site {
  readonly name: string;
  readonly letheSchema: string;
  /** A superuser's, with a transaction of its own for each step. */
  readonly client: pg.Client;
  readonly engine: Engine;
  readonly plan: Plan;
}

const LONGEST_MS = 120_000;
const MOST_REQUESTS = 1_000;

export class Sites {
  private constructor(private readonly sites: readonly Site[]) {}

  static async open(url: string): Promise<Sites> {
    const sites = await Promise.all(
      declarations.map(async (declaration): Promise<Site> => {
        const client = new pg.Client({
          connectionString: url,
          application_name: `bench ${declaration.name}`,
          statement_timeout: LONGEST_MS,
        });
        await client.connect();
        const plan = makePlan(await readCatalog(client, declaration), declaration);
        const engine = createEngine({
          databaseUrl: urlForRole(url, `lethe_${declaration.name}`),
          declaration,
          limits: { lockTimeoutMs: 5_000, longestTransactionMs: LONGEST_MS },
        });
        return { name: declaration.name, letheSchema: declaration.letheSchema, client, engine, plan };
      }),
    );
    return new Sites(sites);
  }

  /** A superuser's connection, while nothing else is measured. */
  admin(): pg.Client {
    const [first] = this.sites;
    if (first === undefined) throw new Error('There are no services.');
    return first.client;
  }

  names(): string[] {
    return this.sites.map(({ name }) => name);
  }

  /** One of the services. */
  only(name: string): Sites {
    return new Sites(this.sites.filter((site) => site.name === name));
  }

  /** The plain DELETE. */
  delete(tenantId: string): Promise<void> {
    return this.byHand(deletions, [tenantId]);
  }

  /** The plain count. */
  count(tenantId: string): Promise<void> {
    return this.byHand(counts, [tenantId]);
  }

  /** Keeps the tenant's rows for `insert`. */
  async copy(tenantId: string): Promise<void> {
    const [first] = this.sites;
    await first?.client.query(`DROP SCHEMA IF EXISTS ${COPIES} CASCADE; CREATE SCHEMA ${COPIES}`);
    await this.byHand(copies, [tenantId]);
  }

  /** The plain INSERT of the rows that were copied. */
  insert(): Promise<void> {
    return this.byHand(insertions, []);
  }

  /** Lets an erased tenant's rows come back. */
  async forget(tenantId: string): Promise<void> {
    await this.each(({ client, letheSchema }) =>
      client.query(
        `DELETE FROM ${qualified({ schema: letheSchema, name: 'tenant_tombstones' })} WHERE tenant_id = $1`,
        [tenantId],
      ),
    );
  }

  /** Every service's preview at once; gives the number of rows. */
  async preview(tenantId: string): Promise<number> {
    const previews = await this.each(({ engine }) => engine.preview(tenantId));
    return previews.reduce((sum, { totalRows }) => sum + totalRows, 0);
  }

  /** The hashes that a stage has to be asked with, as the saga's check finds them. */
  async planHashes(): Promise<string[]> {
    return this.each(async ({ engine }) => (await engine.manifest()).planHash);
  }

  /** Every service at once, asked until it is there; gives the number of rows. */
  async reach(job: Job, target: Target, planHashes: readonly string[] = []): Promise<number> {
    const rows = await this.each(async ({ engine, name }, place) => {
      const planHash = planHashes[place];
      for (let requests = 0; requests < MOST_REQUESTS; requests++) {
        const status = await engine.advance({
          ...job,
          target,
          timeBudgetMs: 5_000,
          ...(planHash !== undefined && { planHash }),
        });
        if (status.state === target) return status.rowsDone;
      }
      throw new Error(`${name} did not become ${target}.`);
    });
    return rows.reduce((sum, one) => sum + one, 0);
  }

  /** What autovacuum would do in time; so each step finds the tables as the first did. */
  async vacuum(): Promise<void> {
    await this.each(async ({ client, plan }) => {
      const tables = plan.tables.map(({ table }) => qualified(table)).join(', ');
      await client.query(`VACUUM (ANALYZE) ${tables}`);
    });
  }

  async close(): Promise<void> {
    await this.each(({ client, engine }) => Promise.all([client.end(), engine.close()]));
  }

  private async byHand(statements: (plan: Plan) => string[], values: readonly unknown[]): Promise<void> {
    await this.each(async ({ client, plan }) => {
      await client.query('BEGIN');
      try {
        for (const sql of statements(plan)) await client.query(sql, sql.includes('$1') ? [...values] : []);
        await client.query('COMMIT');
      } catch (error) {
        await client.query('ROLLBACK');
        throw error;
      }
    });
  }

  private each<T>(work: (site: Site, place: number) => Promise<T>): Promise<T[]> {
    return Promise.all(this.sites.map(work));
  }
}

export interface Job {
  readonly tenantId: string;
  readonly jobId: string;
}

export function newJob(tenantId: string): Job {
  return { tenantId, jobId: randomUUID() };
}
