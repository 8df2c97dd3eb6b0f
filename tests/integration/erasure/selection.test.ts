import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCatalog } from '../../../erasure/catalog/read.js';
import type { Declaration } from '../../../erasure/declaration.js';
import { makePlan } from '../../../erasure/plan/make-plan.js';
import type { Plan } from '../../../erasure/plan/types.js';
import { ident } from '../../../erasure/quote.js';
import { notOwnedRows, ownedRows, rowsOf } from '../../../erasure/selection.js';
import { until } from '../../support/conditions.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

const A = 'aaaaaaaa-0000-4000-8000-000000000001';
const B = 'bbbbbbbb-0000-4000-8000-000000000002';

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

interface Shape {
  readonly sql: string;
  readonly tenant?: Declaration['tenant'];
  readonly references?: Declaration['references'];
}

/** A schema of its own, and the plan of it. */
async function planOf(schema: string, shape: Shape): Promise<Plan> {
  await client.query(`CREATE SCHEMA ${schema}; SET search_path = ${schema}, pg_catalog`);
  await client.query(shape.sql);
  await client.query('SET search_path = pg_catalog');
  const declaration: Declaration = {
    name: 'shapes',
    schemas: [schema],
    letheSchema: 'lethe',
    tenant: shape.tenant ?? { columns: ['tenant_id'], type: 'uuid' },
    fence: 'none',
    tables: {},
    ...(shape.references && { references: shape.references }),
  };
  return makePlan(await readCatalog(client, declaration), declaration);
}

/** What of a table is the tenant's, by one column. */
async function rowsOfTenant(plan: Plan, table: string, column: string, tenant: string): Promise<string[]> {
  const owned = plan.ownedTables.find((one) => one.table.name === table);
  if (owned === undefined) throw new Error(`${table} is not owned.`);
  const { rows } = await client.query<{ id: string }>(
    `SELECT x.${ident(column)}::text AS id FROM ${rowsOf(owned.table)} AS x
      WHERE ${ownedRows(plan, owned.table.oid, 'x')} ORDER BY 1`,
    [tenant],
  );
  return rows.map(({ id }) => id);
}

test('a tenant column, and rows of nobody', async () => {
  const plan = await planOf('simple', {
    sql: `CREATE TABLE t (id int PRIMARY KEY, tenant_id uuid);
      INSERT INTO t VALUES (1, '${A}'), (2, '${B}'), (3, NULL), (4, '${A}')`,
  });
  expect(await rowsOfTenant(plan, 't', 'id', A)).toEqual(['1', '4']);
  expect(await rowsOfTenant(plan, 't', 'id', B)).toEqual(['2']);
});

test('three hops, over composite keys and names that need quotes', async () => {
  const plan = await planOf('hops', {
    sql: `CREATE TABLE "Kunde ""X""" ("Größe" int, "select" text, tenant_id uuid NOT NULL, PRIMARY KEY ("Größe", "select"));
      CREATE TABLE orders (id int PRIMARY KEY, g int NOT NULL, s text NOT NULL, FOREIGN KEY (s, g) REFERENCES "Kunde ""X""" ("select", "Größe"));
      CREATE TABLE items (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders);
      CREATE TABLE options (id int PRIMARY KEY, item_id int NOT NULL REFERENCES items ON DELETE CASCADE);
      INSERT INTO "Kunde ""X""" VALUES (1, 'a', '${A}'), (1, 'b', '${B}'), (2, 'a', '${B}');
      INSERT INTO orders VALUES (10, 1, 'a'), (11, 1, 'b'), (12, 2, 'a');
      INSERT INTO items VALUES (100, 10), (101, 11), (102, 12), (103, 10);
      INSERT INTO options VALUES (1000, 100), (1001, 101), (1002, 103)`,
  });
  expect(await rowsOfTenant(plan, 'orders', 'id', A)).toEqual(['10']);
  expect(await rowsOfTenant(plan, 'items', 'id', A)).toEqual(['100', '103']);
  expect(await rowsOfTenant(plan, 'options', 'id', A)).toEqual(['1000', '1002']);
  expect(await rowsOfTenant(plan, 'options', 'id', B)).toEqual(['1001']);
});

test.each([
  ['with a primary key', 'id int PRIMARY KEY'],
  ['with a composite one', 'id int, other int DEFAULT 1, PRIMARY KEY (other, id)'],
  ['without one', 'id int'],
])('several owners, a row of any of them: %s', async (name, key) => {
  const plan = await planOf(`several_${name.replaceAll(' ', '_')}`, {
    sql: `CREATE TABLE a (id int PRIMARY KEY, tenant_id uuid);
      CREATE TABLE b (id int PRIMARY KEY, tenant_id uuid);
      CREATE TABLE tied (${key}, a_id int REFERENCES a ON DELETE CASCADE, b_id int REFERENCES b ON DELETE CASCADE);
      CREATE TABLE below (id int PRIMARY KEY, a_id int NOT NULL REFERENCES a, b_id int NOT NULL REFERENCES b);
      INSERT INTO a VALUES (1, '${A}'), (2, '${B}'), (3, NULL);
      INSERT INTO b VALUES (1, '${A}'), (2, '${B}'), (3, NULL);
      INSERT INTO tied (id, a_id, b_id) VALUES (1, 1, NULL), (2, NULL, 1), (3, 1, 2), (4, 2, 2), (5, NULL, NULL), (6, 3, 3), (7, 3, 1);
      INSERT INTO below VALUES (1, 1, 1), (2, 1, 3), (3, 3, 1), (4, 2, 2)`,
  });
  expect(await rowsOfTenant(plan, 'tied', 'id', A)).toEqual(['1', '2', '3', '7']);
  expect(await rowsOfTenant(plan, 'tied', 'id', B)).toEqual(['3', '4']);
  expect(await rowsOfTenant(plan, 'below', 'id', A)).toEqual(['1', '2', '3']);
});

test('ways that multiply with every hop do not multiply in the statement', async () => {
  const depth = 9;
  const level = (n: number) => `CREATE TABLE l${n} (id int PRIMARY KEY,
      a int REFERENCES l${n - 1} ON DELETE CASCADE, b int REFERENCES l${n - 1} ON DELETE CASCADE, c int REFERENCES l0 ON DELETE CASCADE);
    INSERT INTO l${n} VALUES (1, 1, NULL, NULL), (2, NULL, 2, NULL), (3, 3, 1, NULL), (4, 4, 4, NULL), (5, NULL, NULL, 1), (6, NULL, NULL, NULL);`;
  const plan = await planOf('ways', {
    sql: `CREATE TABLE l0 (id int PRIMARY KEY, tenant_id uuid);
      INSERT INTO l0 VALUES (1, '${A}'), (2, '${A}'), (3, '${B}'), (4, '${B}'), (5, NULL), (6, NULL);
      ${Array.from({ length: depth }, (_, n) => level(n + 1)).join('')}`,
  });
  expect(await rowsOfTenant(plan, `l${depth}`, 'id', A)).toEqual(['1', '2', '3', '5']);
  expect(await rowsOfTenant(plan, `l${depth}`, 'id', B)).toEqual(['3', '4']);
  const last = plan.ownedTables.find(({ table }) => table.name === `l${depth}`)?.table.oid ?? 0;
  expect(ownedRows(plan, last, 'x').length).toBeLessThan(50_000);
  const { rows } = await client.query(
    `SELECT x.id FROM ways.l${depth} AS x WHERE ${notOwnedRows(plan, last, 'x')} ORDER BY 1`,
    [A],
  );
  expect(rows.map(({ id }) => id)).toEqual([4, 6]);
});

describe('ownership that leads back to itself', () => {
  test('a tree of which only the roots name an owner', async () => {
    const plan = await planOf('tree', {
      sql: `CREATE TABLE shops (id int PRIMARY KEY, tenant_id uuid NOT NULL);
        CREATE TABLE folders (id int PRIMARY KEY, shop_id int REFERENCES shops ON DELETE CASCADE,
          parent_id int REFERENCES folders ON DELETE CASCADE);
        CREATE TABLE files (id int PRIMARY KEY, folder_id int NOT NULL REFERENCES folders);
        INSERT INTO shops VALUES (1, '${A}'), (2, '${B}');
        INSERT INTO folders VALUES (1, 1, NULL), (2, NULL, 1), (3, NULL, 2), (4, 2, NULL), (5, NULL, 4), (6, NULL, NULL), (7, NULL, 6);
        INSERT INTO files VALUES (10, 1), (11, 3), (12, 5), (13, 7)`,
    });
    expect(await rowsOfTenant(plan, 'folders', 'id', A)).toEqual(['1', '2', '3']);
    expect(await rowsOfTenant(plan, 'folders', 'id', B)).toEqual(['4', '5']);
    expect(await rowsOfTenant(plan, 'files', 'id', A)).toEqual(['10', '11']);
    expect(await rowsOfTenant(plan, 'files', 'id', B)).toEqual(['12']);
  });

  test('rows that refer to each other in a ring end the walk', async () => {
    const plan = await planOf('ring', {
      sql: `CREATE TABLE t (id int PRIMARY KEY, tenant_id uuid);
        CREATE TABLE n (id int PRIMARY KEY, t_id int REFERENCES t ON DELETE CASCADE, next_id int, by_id int);
        ALTER TABLE n ADD FOREIGN KEY (next_id) REFERENCES n ON DELETE CASCADE, ADD FOREIGN KEY (by_id) REFERENCES n ON DELETE CASCADE;
        INSERT INTO t VALUES (1, '${A}'), (2, '${B}');
        INSERT INTO n (id, t_id) SELECT i, CASE i WHEN 1 THEN 1 WHEN 8 THEN 2 END FROM generate_series(1, 9) i;
        UPDATE n SET next_id = CASE id WHEN 1 THEN 3 WHEN 2 THEN 1 WHEN 3 THEN 2 WHEN 6 THEN 7 WHEN 7 THEN 6 WHEN 9 THEN 8 END,
                     by_id = CASE id WHEN 4 THEN 3 END`,
    });
    expect(await rowsOfTenant(plan, 'n', 'id', A)).toEqual(['1', '2', '3', '4']);
    expect(await rowsOfTenant(plan, 'n', 'id', B)).toEqual(['8', '9']);
  });

  test('a cycle of several tables without tenant column, with keys of different types', async () => {
    const plan = await planOf('cycle', {
      sql: `CREATE TABLE t (id int PRIMARY KEY, tenant_id uuid);
        CREATE TABLE hens (id int PRIMARY KEY, code varchar(10) NOT NULL UNIQUE, t_id int REFERENCES t ON DELETE CASCADE, egg_id uuid);
        CREATE TABLE eggs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, hen_id int REFERENCES hens ON DELETE CASCADE);
        CREATE TABLE nests (n int PRIMARY KEY, hen_code varchar(10) REFERENCES hens (code) ON DELETE CASCADE, egg_id uuid REFERENCES eggs ON DELETE CASCADE);
        ALTER TABLE hens ADD FOREIGN KEY (egg_id) REFERENCES eggs ON DELETE CASCADE;
        ALTER TABLE eggs ADD nest_n int REFERENCES nests ON DELETE CASCADE;
        INSERT INTO t VALUES (1, '${A}'), (2, '${B}');
        INSERT INTO hens VALUES (1, 'one', 1), (2, 'two', NULL), (3, 'three', 2), (4, 'four', NULL);
        INSERT INTO eggs (n, hen_id) VALUES (1, 1), (2, 2), (3, 3), (4, 4);
        UPDATE hens SET egg_id = (SELECT e.id FROM eggs e WHERE e.n = 1) WHERE id = 2;
        INSERT INTO nests SELECT e.n + 10, CASE e.n WHEN 4 THEN 'four' END, CASE WHEN e.n < 4 THEN e.id END FROM eggs e;
        INSERT INTO eggs (n, nest_n) VALUES (5, 12), (6, 13), (7, 14)`,
    });
    expect(await rowsOfTenant(plan, 'hens', 'id', A)).toEqual(['1', '2']);
    expect(await rowsOfTenant(plan, 'eggs', 'n', A)).toEqual(['1', '2', '5']);
    expect(await rowsOfTenant(plan, 'nests', 'n', A)).toEqual(['11', '12']);
    expect(await rowsOfTenant(plan, 'hens', 'id', B)).toEqual(['3']);
    expect(await rowsOfTenant(plan, 'eggs', 'n', B)).toEqual(['3', '6']);
    expect(await rowsOfTenant(plan, 'nests', 'n', B)).toEqual(['13']);
  });
});

test('partitioned tables as a whole, keys of one partition only there', async () => {
  const plan = await planOf('parts', {
    sql: `CREATE TABLE t (id int PRIMARY KEY, tenant_id uuid);
      CREATE TABLE sales (id int, month int, tenant_id uuid, PRIMARY KEY (id, month)) PARTITION BY LIST (month);
      CREATE TABLE sales_1 PARTITION OF sales FOR VALUES IN (1);
      CREATE TABLE sales_2 PARTITION OF sales FOR VALUES IN (2);
      CREATE TABLE lines (id int PRIMARY KEY, sale_id int NOT NULL, month int NOT NULL, FOREIGN KEY (sale_id, month) REFERENCES sales);
      CREATE TABLE early (id int PRIMARY KEY, sale_id int NOT NULL, month int NOT NULL, FOREIGN KEY (sale_id, month) REFERENCES sales_1);
      CREATE TABLE logs (id int, month int, t_id int NOT NULL) PARTITION BY LIST (month);
      CREATE TABLE logs_1 PARTITION OF logs FOR VALUES IN (1) PARTITION BY RANGE (id);
      CREATE TABLE logs_1_low PARTITION OF logs_1 FOR VALUES FROM (1) TO (50);
      CREATE TABLE logs_2 PARTITION OF logs FOR VALUES IN (2);
      ALTER TABLE logs_1 ADD FOREIGN KEY (t_id) REFERENCES t;
      INSERT INTO t VALUES (1, '${A}'), (2, '${B}');
      INSERT INTO sales VALUES (1, 1, '${A}'), (2, 1, '${B}'), (3, 2, '${A}'), (4, 2, '${B}');
      INSERT INTO lines VALUES (10, 1, 1), (11, 2, 1), (12, 3, 2), (13, 4, 2);
      INSERT INTO early VALUES (20, 1, 1), (21, 2, 1);
      INSERT INTO logs VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1)`,
  });
  expect(await rowsOfTenant(plan, 'sales', 'id', A)).toEqual(['1', '3']);
  expect(await rowsOfTenant(plan, 'lines', 'id', A)).toEqual(['10', '12']);
  expect(await rowsOfTenant(plan, 'early', 'id', B)).toEqual(['21']);
  expect(await rowsOfTenant(plan, 'logs', 'id', A)).toEqual(['1']);
});

test('a table that others inherit from has its own rows only, also as a parent of others', async () => {
  const plan = await planOf('inherits', {
    sql: `CREATE TABLE base (id int PRIMARY KEY, tenant_id uuid);
      CREATE TABLE special (extra int) INHERITS (base);
      CREATE TABLE notes (id int PRIMARY KEY, base_id int NOT NULL REFERENCES base);
      INSERT INTO base VALUES (1, '${A}'), (2, '${B}');
      INSERT INTO special VALUES (3, '${A}', 0), (2, '${A}', 0);
      INSERT INTO notes VALUES (10, 1), (11, 2)`,
  });
  expect(await rowsOfTenant(plan, 'base', 'id', A)).toEqual(['1']);
  expect(await rowsOfTenant(plan, 'special', 'id', A)).toEqual(['2', '3']);
  expect(await rowsOfTenant(plan, 'notes', 'id', A)).toEqual(['10']);
});

describe('keys by other operators than plain equality', () => {
  test('operators that the key was made with: here, case does not matter', async () => {
    const compared = (operator: string, how: string) => `
      CREATE FUNCTION ci_${how}(text, text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT lower($1) ${operator} lower($2)';
      CREATE OPERATOR ${operator}~ (LEFTARG = text, RIGHTARG = text, FUNCTION = ci_${how});`;
    const plan = await planOf('operators', {
      sql: `${compared('<', 'lt')} ${compared('<=', 'le')} ${compared('=', 'eq')} ${compared('>=', 'ge')} ${compared('>', 'gt')}
        CREATE FUNCTION ci_cmp(text, text) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT pg_catalog.bttextcmp(lower($1), lower($2))';
        CREATE OPERATOR CLASS ci FOR TYPE text USING btree AS OPERATOR 1 <~, OPERATOR 2 <=~, OPERATOR 3 =~,
          OPERATOR 4 >=~, OPERATOR 5 >~, FUNCTION 1 ci_cmp(text, text);
        CREATE TABLE p (code text, n int, tenant_id uuid);
        CREATE UNIQUE INDEX ON p (code ci, n);
        CREATE TABLE c (id int PRIMARY KEY, p_code text NOT NULL, p_n int NOT NULL, FOREIGN KEY (p_code, p_n) REFERENCES p (code, n));
        INSERT INTO p VALUES ('one', 1, '${A}'), ('two', 1, '${B}'), ('ONE', 2, '${B}');
        INSERT INTO c VALUES (1, 'ONE', 1), (2, 'Two', 1), (3, 'one', 2)`,
    });
    expect(plan.catalog.foreignKeys[0]?.operators).toEqual([
      'OPERATOR(operators.=~)',
      'OPERATOR(pg_catalog.=)',
    ]);
    expect(await rowsOfTenant(plan, 'c', 'id', A)).toEqual(['1']);
    expect(await rowsOfTenant(plan, 'c', 'id', B)).toEqual(['2', '3']);
  });

  test('values of different types that are equal', async () => {
    const plan = await planOf('types', {
      sql: `CREATE TYPE word AS ENUM ('one', 'two');
        CREATE TABLE p (id word PRIMARY KEY, tenant_id uuid);
        CREATE TABLE c (id int PRIMARY KEY, p_id word NOT NULL REFERENCES p);
        CREATE TABLE n (id numeric PRIMARY KEY, tenant_id uuid);
        CREATE TABLE m (id int PRIMARY KEY, n_id int NOT NULL REFERENCES n);
        INSERT INTO p VALUES ('one', '${A}'), ('two', '${B}');
        INSERT INTO c VALUES (1, 'one'), (2, 'two');
        INSERT INTO n VALUES (1.00, '${A}'), (2.0, '${B}');
        INSERT INTO m VALUES (1, 1), (2, 2)`,
    });
    expect(await rowsOfTenant(plan, 'c', 'id', A)).toEqual(['1']);
    expect(await rowsOfTenant(plan, 'm', 'id', A)).toEqual(['1']);
  });

  test('periods (18)', async () => {
    const { rows } = await client.query(`SELECT current_setting('server_version_num')::int AS v`);
    if (rows[0].v < 180000) return;
    const plan = await planOf('periods', {
      sql: `CREATE TABLE rooms (id int4range, during daterange, tenant_id uuid, PRIMARY KEY (id, during WITHOUT OVERLAPS));
        CREATE TABLE stays (n int PRIMARY KEY, room int4range NOT NULL, during daterange NOT NULL, FOREIGN KEY (room, PERIOD during) REFERENCES rooms (id, PERIOD during));
        INSERT INTO rooms VALUES ('[1,2)', '[2026-01-01,2026-02-01)', '${A}'), ('[1,2)', '[2026-02-01,2026-03-01)', '${B}');
        INSERT INTO stays VALUES (1, '[1,2)', '[2026-01-05,2026-01-06)'), (2, '[1,2)', '[2026-02-05,2026-02-06)'), (3, '[1,2)', '[2026-01-30,2026-02-03)')`,
    });
    expect(await rowsOfTenant(plan, 'stays', 'n', A)).toEqual(['1', '3']);
    expect(await rowsOfTenant(plan, 'stays', 'n', B)).toEqual(['2', '3']);
  });
});

test.each([
  ['uuid', 'uuid', A.toUpperCase(), `'${A}'`, `'${B}'`],
  ['text', 'text', `O'Hara "&" \\`, `'O''Hara "&" \\'`, `'o''hara "&" \\'`],
  ['text', 'varchar(30)', 'acme', `'acme'`, `'acme '`],
  ['integer', 'int', '7', '7', '8'],
  ['integer', 'bigint', '7', '7', '8'],
  ['bigint', 'bigint', '9007199254740993', '9007199254740993', '9007199254740992'],
] as const)('a tenant key declared %s in a column of %s', async (type, column, tenant, one, other) => {
  const plan = await planOf(`typed_${type}_${column.replace(/\W/g, '')}`, {
    sql: `CREATE TABLE t (id int PRIMARY KEY, org ${column});
      CREATE TABLE c (id int PRIMARY KEY, t_id int NOT NULL REFERENCES t);
      INSERT INTO t VALUES (1, ${one}), (2, ${other}), (3, NULL);
      INSERT INTO c VALUES (1, 1), (2, 2), (3, 3)`,
    tenant: { columns: ['tenant_id', 'org'], type },
  });
  expect(await rowsOfTenant(plan, 't', 'id', tenant)).toEqual(['1']);
  expect(await rowsOfTenant(plan, 'c', 'id', tenant)).toEqual(['1']);
});

test('the tenant and the alias are never SQL', async () => {
  const plan = await planOf('injected', {
    sql: `CREATE TABLE t (id int PRIMARY KEY, tenant_id text); INSERT INTO t VALUES (1, 'a'), (2, 'b')`,
    tenant: { columns: ['tenant_id'], type: 'text' },
  });
  expect(await rowsOfTenant(plan, 't', 'id', `a' OR 'x' = 'x`)).toEqual([]);
  expect(ownedRows(plan, plan.ownedTables[0]?.table.oid ?? 0, 'x" OR true --')).toMatch(
    /^"x"" OR true --"\./,
  );
});

describe('PostgreSQL can use indexes, and does not go through all pairs', () => {
  let plan: Plan;

  beforeAll(async () => {
    plan = await planOf('fast', {
      sql: `CREATE TABLE customers (id int PRIMARY KEY, tenant_id uuid NOT NULL);
        CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers);
        CREATE TABLE items (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders, product_id int NOT NULL REFERENCES customers);
        CREATE TABLE folders (id int PRIMARY KEY, customer_id int REFERENCES customers ON DELETE CASCADE, parent_id int REFERENCES folders ON DELETE CASCADE);
        CREATE INDEX ON customers (tenant_id);
        CREATE INDEX ON orders (customer_id);
        CREATE INDEX ON items (order_id);
        CREATE INDEX ON items (product_id);
        CREATE INDEX ON folders (customer_id);
        CREATE INDEX ON folders (parent_id);
        INSERT INTO customers SELECT i, md5((i % 2000)::text)::uuid FROM generate_series(1, 10000) i;
        INSERT INTO orders SELECT i, i % 10000 + 1 FROM generate_series(1, 20000) i;
        INSERT INTO items SELECT i, i % 20000 + 1, i % 20000 % 10000 + 1 FROM generate_series(1, 40000) i;
        INSERT INTO folders SELECT i, CASE WHEN i <= 10000 THEN i END, CASE WHEN i > 10000 THEN i - 10000 END FROM generate_series(1, 30000) i;
        ANALYZE customers, orders, items, folders`,
    });
    await client.query('SET random_page_cost = 1.1');
  });

  /** Rows that all steps of the plan went through together, and which tables were read from end to end. */
  async function explain(table: string, tenant: string): Promise<{ work: number; readWhole: string[] }> {
    const owned = plan.ownedTables.find((one) => one.table.name === table);
    if (owned === undefined) throw new Error(`${table} is not owned.`);
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM ${rowsOf(owned.table)} AS x
        WHERE ${ownedRows(plan, owned.table.oid, 'x')}`,
      [tenant],
    );
    const nodes = rows.flatMap((row) => allNodes(row['QUERY PLAN'][0].Plan));
    return {
      work: nodes.reduce((sum, node) => sum + rowsThrough(node), 0),
      readWhole: nodes.flatMap((node) =>
        node['Node Type'] === 'Seq Scan' ? [node['Relation Name'] ?? ''] : [],
      ),
    };
  }

  test.each(['customers', 'orders', 'items', 'folders'])(
    'a small tenant of %s: no table is read whole',
    async (table) => {
      const tenant = (await client.query(`SELECT md5('7')::uuid AS id`)).rows[0].id;
      const { work, readWhole } = await explain(table, tenant);
      expect(readWhole).toEqual([]);
      expect(work).toBeLessThan(1_000);
    },
  );

  test.each(['orders', 'items', 'folders'])(
    'a tenant with half of %s, and no index: rows are not looked for one by one',
    async (table) => {
      await client.query('BEGIN');
      const half = (
        await client.query(`UPDATE fast.customers SET tenant_id = md5('half')::uuid
        WHERE id % 2 = 0 RETURNING tenant_id`)
      ).rows[0].tenant_id;
      await client.query(`DROP INDEX fast.orders_customer_id_idx, fast.items_order_id_idx, fast.items_product_id_idx,
        fast.folders_customer_id_idx, fast.folders_parent_id_idx`);
      const { work } = await explain(table, half);
      await client.query('ROLLBACK');
      expect(work).toBeLessThan(1_000_000);
    },
  );
});

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Join Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

function allNodes(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(allNodes)];
}

function rowsThrough(node: PlanNode): number {
  const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Join Filter'] ?? 0);
  return (node['Actual Rows'] + removed) * node['Actual Loops'];
}

describe('a row that is changed while the deletion waits for it', () => {
  let plan: Plan;

  beforeAll(async () => {
    plan = await planOf('changing', {
      sql: `CREATE TABLE p (id int PRIMARY KEY, tenant_id uuid);
        CREATE TABLE hop (id int PRIMARY KEY, p_id int NOT NULL REFERENCES p, note text);
        CREATE TABLE two (id int PRIMARY KEY, p_id int NOT NULL REFERENCES p, q_id int REFERENCES p ON DELETE CASCADE, note text);
        CREATE TABLE keyless (id int, p_id int NOT NULL REFERENCES p, q_id int NOT NULL REFERENCES p, note text);
        CREATE TABLE tree (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE CASCADE, up int REFERENCES tree ON DELETE CASCADE, note text);
        INSERT INTO p VALUES (1, '${A}'), (2, '${B}');
        INSERT INTO hop VALUES (1, 1), (2, 1), (3, 1), (4, 2);
        INSERT INTO two VALUES (1, 1), (2, 1), (3, 1), (4, 2);
        INSERT INTO keyless VALUES (1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 2, 2);
        INSERT INTO tree VALUES (1, 1, NULL), (2, 1, NULL), (3, NULL, 1), (4, 2, NULL)`,
    });
  });

  test.each([
    ['hop', 'p_id = 2', ['1', '3']],
    ['two', 'p_id = 2', ['1', '3']],
    // Without a key, a row that was changed at all may be left to the next sweep.
    ['keyless', 'p_id = 2, q_id = 2', ['1']],
    ['tree', 'p_id = 2', ['1', '3']],
  ])("%s: is left alone if it has become another tenant's", async (name, becomesOther, gone) => {
    const owned = plan.ownedTables.find(({ table }) => table.name === name);
    if (owned === undefined) throw new Error(`${name} is not owned.`);
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    await other.query('BEGIN');
    await other.query(`UPDATE changing.${name} SET ${becomesOther} WHERE id = 2`);
    await other.query(`UPDATE changing.${name} SET note = 'changed' WHERE id = 3`);
    const sweep = async () => {
      const { rows } = await client.query<{ id: string }>(
        `DELETE FROM ${rowsOf(owned.table)} AS x WHERE ${ownedRows(plan, owned.table.oid, 'x')} RETURNING x.id::text`,
        [A],
      );
      return rows.map(({ id }) => id);
    };
    const deleting = sweep();
    await until(
      async () => {
        const { rows } = await other.query(
          `SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = $1`,
          [database.name],
        );
        return rows.length > 0;
      },
      { what: 'the deletion to wait for the changed row' },
    );
    await other.query('COMMIT');
    await other.end();
    const first = await deleting;
    expect(first).toEqual(expect.arrayContaining(gone));
    expect([...first, ...(await sweep())].sort()).toEqual(['1', '3']);
    expect(await rowsOfTenant(plan, name, 'id', B)).toEqual(['2', '4']);
  });
});
