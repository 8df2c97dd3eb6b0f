/** What other tenants notice: how long their statements take while nothing else happens, and while a large tenant goes. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { qualified } from '../erasure/quote.js';
import type { Times } from './figures.js';

export const QUIET = "other tenants' statements, p99, quiet";
export const WHILE_STAGED = "other tenants' statements, p99, while a large tenant is staged";
export const WHILE_RAW = "other tenants' statements, p99, while it is deleted by hand";

/** Statements a second, over all connections: some load, far from all that the database could do. */
const PER_SECOND = 100;
const CONNECTIONS = 4;

// For each schema the largest table by which rows of tenants are known by one column and found by another.
const TARGETS = `
  SELECT DISTINCT ON (n.nspname) n.nspname::text AS schema, c.relname::text AS name, a.attname::text AS key,
         t.attname::text AS tenant
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary AND i.indnatts = 1
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
    JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'tenant_id'
   WHERE c.relkind = 'r' AND n.nspname = ANY ($1::text[])
   ORDER BY n.nspname, c.reltuples DESC`;

interface Statement {
  readonly text: string;
  readonly values: readonly string[];
}

/** Another tenant's traffic: rows read and written by their keys. */
export class OtherTenants {
  private constructor(
    private readonly pool: pg.Pool,
    private readonly statements: readonly Statement[],
  ) {}

  static async open(url: string, schemas: readonly string[], tenantId: string): Promise<OtherTenants> {
    const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS, application_name: 'bench others' });
    const { rows } = await pool.query<{ schema: string; name: string; key: string; tenant: string }>(
      TARGETS,
      [[...schemas]],
    );
    const statements: Statement[] = [];
    for (const { schema, name, key, tenant } of rows) {
      const table = qualified({ schema, name });
      const found = await pool.query<{ key: string }>(
        `SELECT "${key}"::text AS key FROM ${table} WHERE "${tenant}" = $1 LIMIT 50`,
        [tenantId],
      );
      for (const { key: value } of found.rows) {
        statements.push({ text: `SELECT * FROM ${table} WHERE "${key}" = $1`, values: [value] });
        statements.push({
          text: `UPDATE ${table} SET "${tenant}" = "${tenant}" WHERE "${key}" = $1`,
          values: [value],
        });
      }
    }
    return new OtherTenants(pool, statements);
  }

  /** Notes how long each statement takes, until the work is done. A statement that is due late counts from when it was due. */
  async during<T>(work: () => Promise<T>, into: number[]): Promise<T> {
    let done = false;
    const traffic = this.traffic(() => done, into);
    try {
      return await work();
    } finally {
      done = true;
      await traffic;
    }
  }

  async quiet(ms: number, times: Times): Promise<void> {
    const took: number[] = [];
    await this.during(() => sleep(ms), took);
    this.tell(QUIET, took, times);
  }

  tell(what: string, took: readonly number[], times: Times): void {
    if (took.length === 0) return;
    const sorted = [...took].sort((a, b) => a - b);
    times.add(what, sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0);
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  private async traffic(isOver: () => boolean, into: number[]): Promise<void> {
    const began = performance.now();
    const open = new Set<Promise<void>>();
    for (let number = 0; !isOver(); number++) {
      const due = began + (number * 1_000) / PER_SECOND;
      const early = due - performance.now();
      if (early > 0) await sleep(early);
      const statement = this.statements[number % this.statements.length];
      if (statement === undefined) return;
      const one = this.pool.query(statement.text, [...statement.values]).then(() => {
        into.push(performance.now() - due);
        open.delete(one);
      });
      open.add(one);
    }
    await Promise.all(open);
  }
}
