import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCatalog } from '../../../erasure/catalog/read.js';
import type { Declaration } from '../../../erasure/declaration.js';
import { makePlan } from '../../../erasure/plan/make-plan.js';
import type { Plan } from '../../../erasure/plan/types.js';
import { notOwnedRows, ownedRows, rowsOf } from '../../../erasure/selection.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

const A = 'aaaaaaaa-0000-4000-8000-000000000001';
const B = 'bbbbbbbb-0000-4000-8000-000000000002';
const ROWS = 6;

const declaration: Declaration = {
  name: 'random',
  schemas: ['random'],
  letheSchema: 'lethe',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'none',
  tables: {},
};

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase({ template: 'empty' });
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

/** Tables by number, the first ones with a tenant column, and keys anywhere; with the row that each row refers to. */
const schemas = fc
  .record({ withTenant: fc.integer({ min: 1, max: 2 }), others: fc.integer({ min: 1, max: 4 }) })
  .chain(({ withTenant, others }) => {
    const count = withTenant + others;
    const key = fc.record({
      child: fc.nat(count - 1),
      parent: fc.nat(count - 1),
      to: fc.array(fc.option(fc.integer({ min: 1, max: ROWS }), { freq: 2 }), {
        minLength: ROWS,
        maxLength: ROWS,
      }),
    });
    return fc.record({
      count: fc.constant(count),
      tenants: fc.array(fc.array(fc.constantFrom(A, B, null), { minLength: ROWS, maxLength: ROWS }), {
        minLength: withTenant,
        maxLength: withTenant,
      }),
      keyed: fc.array(fc.boolean(), { minLength: count, maxLength: count }),
      keys: fc.array(key, { maxLength: 8 }),
    });
  });

type Schema = typeof schemas extends fc.Arbitrary<infer T> ? T : never;

async function create({ count, tenants, keyed, keys }: Schema): Promise<void> {
  const quoted = (value: string | number | null) => (value === null ? 'NULL' : `'${value}'`);
  const statements: string[] = [];
  for (let table = 0; table < count; table += 1) {
    const own = keys.flatMap((key, place) => (key.child === table ? [{ ...key, name: `k${place}` }] : []));
    const tenant = tenants[table];
    const columns = [
      `id int ${keyed[table] ? 'PRIMARY KEY' : 'UNIQUE'}`,
      ...(tenant ? ['tenant_id uuid'] : []),
      ...own.map(({ name }) => `${name} int`),
    ];
    statements.push(`CREATE TABLE random.t${table} (${columns.join(', ')})`);
    const rows = Array.from({ length: ROWS }, (_, row) =>
      [row + 1, ...(tenant ? [tenant[row] ?? null] : []), ...own.map(({ to }) => to[row] ?? null)]
        .map(quoted)
        .join(', '),
    );
    statements.push(`INSERT INTO random.t${table} VALUES (${rows.join('), (')})`);
  }
  for (const [place, { child, parent }] of keys.entries()) {
    statements.push(
      `ALTER TABLE random.t${child} ADD FOREIGN KEY (k${place}) REFERENCES random.t${parent} (id) ON DELETE CASCADE`,
    );
  }
  await client.query(`DROP SCHEMA IF EXISTS random CASCADE; CREATE SCHEMA random; ${statements.join('; ')}`);
}

/** The same worked out by hand: from row to row until nothing more is reached. */
function expected(plan: Plan, schema: Schema, tenant: string): Map<string, Set<number>> {
  const owned = new Map(plan.ownedTables.map(({ table }) => [table.name, new Set<number>()]));
  for (let grew = true; grew; ) {
    grew = false;
    for (const { table, ownership } of plan.ownedTables) {
      for (const one of ownership) {
        for (let row = 1; row <= ROWS; row += 1) {
          const key = one.kind === 'reference' ? one.key : undefined;
          const parent = plan.catalog.tables.find(({ oid }) => oid === key?.parentOid);
          const to = schema.keys[Number(key?.childColumns[0]?.slice(1))]?.to[row - 1] ?? 0;
          const says = key
            ? owned.get(parent?.name ?? '')?.has(to)
            : schema.tenants[Number(table.name.slice(1))]?.[row - 1] === tenant;
          const rows = owned.get(table.name);
          if (!says || !rows || rows.has(row)) continue;
          rows.add(row);
          grew = true;
        }
      }
    }
  }
  return owned;
}

test('for any tables, keys and rows: the rows that a walk by hand reaches, and no others', async () => {
  await fc.assert(
    fc.asyncProperty(schemas, async (schema) => {
      await create(schema);
      const plan = makePlan(await readCatalog(client, declaration), declaration);
      const byHand = expected(plan, schema, A);
      for (const { table } of plan.ownedTables) {
        const ids = async (condition: string) => {
          const { rows } = await client.query<{ id: number }>(
            `SELECT x.id FROM ${rowsOf(table)} AS x WHERE ${condition} ORDER BY x.id`,
            [A],
          );
          return rows.map(({ id }) => id);
        };
        const reached = byHand.get(table.name) ?? new Set();
        const all = Array.from({ length: ROWS }, (_, row) => row + 1);
        expect(await ids(ownedRows(plan, table.oid, 'x'))).toEqual(all.filter((id) => reached.has(id)));
        expect(await ids(notOwnedRows(plan, table.oid, 'x'))).toEqual(all.filter((id) => !reached.has(id)));
      }
    }),
    { numRuns: 30 },
  );
});
