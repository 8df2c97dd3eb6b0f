/** Installs, lists and removes the fence's triggers in a database that others are at work in. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Declaration } from '../declaration.js';
import { EngineError } from '../engine-types.js';
import { spoken, sqlstateOf } from '../errors.js';
import { fenceFunctionsSql } from '../install/fence-sql.js';
import { family } from '../plan/soft-references.js';
import type { OwnedTable, Plan } from '../plan/types.js';
import { changedTables } from '../plan-source.js';
import { ident, label, literal, qualified } from '../quote.js';

/** A relation that a tenant's rows are inserted into: a table, or a partition of it. */
export interface FencePlace {
  readonly relation: string;
  readonly table: string;
  /** Tenant columns that the triggers look at. */
  readonly columns: readonly string[];
  readonly fenced: boolean;
  /** Why there can be none. */
  readonly impossible: string | null;
}

export interface FenceResult {
  readonly relation: string;
  readonly done: boolean;
  /** PostgreSQL's words where it was not done. */
  readonly why: string | null;
}

// A trigger waits for writers, and everybody who comes after waits for it: rather not, and again a little later.
const LOCK_WITHIN_MS = 1_500;
const ATTEMPTS = 5;
const PAUSE_MS = 1_000;

const PLACES = `
  SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name,
         ARRAY(SELECT t.tgname::text FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
                 JOIN pg_namespace fn ON fn.oid = f.pronamespace
                WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND fn.nspname = $2 ORDER BY 1) AS triggers
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = $1 OR c.oid IN (SELECT p.relid FROM pg_partition_tree($1::oid::regclass) p)
   ORDER BY c.oid <> $1, 2, 3`;

interface Place extends FencePlace {
  readonly sqlName: string;
  readonly triggers: readonly string[];
}

export class Fences {
  constructor(private readonly client: pg.Client) {}

  async list(plan: Plan, declaration: Declaration): Promise<FencePlace[]> {
    const places = await this.places(plan, declaration);
    return places.map(({ sqlName: _, triggers: __, ...place }) => place);
  }

  /** One table per transaction. `each` is told of every one. */
  async install(
    plan: Plan,
    declaration: Declaration,
    each: (result: FenceResult) => void,
  ): Promise<FenceResult[]> {
    if (!plan.catalog.letheSchema.exists) {
      throw new EngineError(
        'plan_refused',
        `The schema ${declaration.letheSchema} with the tombstones is not there yet. Run what "lethe grants" prints first.`,
      );
    }
    await this.transaction([fenceFunctionsSql(declaration)]);
    const open = (await this.places(plan, declaration)).filter(
      ({ fenced, impossible }) => !fenced && impossible === null,
    );
    return this.oneByOne(open, each, (place) => createTriggers(place, declaration));
  }

  async remove(
    plan: Plan,
    declaration: Declaration,
    each: (result: FenceResult) => void,
  ): Promise<FenceResult[]> {
    const places = (await this.places(plan, declaration)).filter(({ triggers }) => triggers.length > 0);
    return this.oneByOne(places, each, ({ sqlName, triggers }) =>
      triggers.map((name) => `DROP TRIGGER IF EXISTS ${ident(name)} ON ${sqlName}`),
    );
  }

  private async oneByOne(
    places: readonly Place[],
    each: (result: FenceResult) => void,
    statements: (place: Place) => string[],
  ): Promise<FenceResult[]> {
    const results: FenceResult[] = [];
    for (const place of places) {
      const why = await this.tried(statements(place));
      const result = { relation: place.relation, done: why === null, why };
      each(result);
      results.push(result);
    }
    return results;
  }

  /** Null where it was done, at last. */
  private async tried(statements: readonly string[]): Promise<string | null> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.transaction(statements);
        return null;
      } catch (error) {
        const state = sqlstateOf(error);
        if (state === undefined) throw error;
        const again = state === '55P03' || state === '40P01';
        if (!again || attempt >= ATTEMPTS) return `${spoken(error, state)} (${state})`;
        await sleep(PAUSE_MS);
      }
    }
  }

  private async transaction(statements: readonly string[]): Promise<void> {
    await this.client.query('BEGIN');
    try {
      await this.client.query(`SET LOCAL lock_timeout = ${LOCK_WITHIN_MS}`);
      for (const statement of statements) await this.client.query(statement);
      await this.client.query('COMMIT');
    } catch (error) {
      await this.client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  private async places(plan: Plan, { letheSchema }: Declaration): Promise<Place[]> {
    const found: Place[] = [];
    for (const owned of changedTables(plan)) {
      const columns = owned.ownership.flatMap((one) => (one.kind === 'tenant_column' ? [one.column] : []));
      if (columns.length === 0) continue;
      const { rows } = await this.client.query<{ schema: string; name: string; triggers: string[] }>(PLACES, [
        owned.table.oid,
        letheSchema,
      ]);
      for (const { triggers, ...relation } of rows) {
        found.push({
          relation: label(relation),
          sqlName: qualified(relation),
          table: owned.label,
          columns,
          triggers,
          fenced: triggers.length >= 2 * columns.length,
          impossible: impossibleFor(owned, columns, plan),
        });
      }
    }
    return found;
  }
}

function impossibleFor({ table }: OwnedTable, columns: readonly string[], plan: Plan): string | null {
  if (table.kind === 'foreign') return 'its rows lie on another server';
  const asText = table.columns.find(
    (column) => columns.includes(column.name) && plan.tenantType !== 'text' && family(column) === 'text',
  );
  return asText === undefined
    ? null
    : `${asText.name} holds keys as text, which tombstones are not compared with`;
}

function createTriggers({ sqlName, columns, triggers }: Place, { letheSchema }: Declaration): string[] {
  const function_ = (name: string) => qualified({ schema: letheSchema, name });
  return columns.flatMap((column, place) => {
    const suffix = place === 0 ? '' : `_${place + 1}`;
    return [
      {
        name: `lethe_fence_insert${suffix}`,
        event: 'INSERT',
        rows: 'NEW TABLE AS new_rows',
        call: 'refuse_new_rows',
      },
      {
        name: `lethe_fence_update${suffix}`,
        event: 'UPDATE',
        rows: 'OLD TABLE AS old_rows NEW TABLE AS new_rows',
        call: 'refuse_changed_rows',
      },
    ].flatMap(({ name, event, rows, call }) =>
      triggers.includes(name)
        ? []
        : [
            `CREATE TRIGGER ${ident(name)} AFTER ${event} ON ${sqlName} REFERENCING ${rows}
             FOR EACH STATEMENT EXECUTE FUNCTION ${function_(call)}(${literal(column)})`,
          ],
    );
  });
}
