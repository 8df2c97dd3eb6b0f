import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCatalog } from '../../../erasure/catalog/read.js';
import type { Catalog, CatalogTable, ForeignKey } from '../../../erasure/catalog/types.js';
import type { Declaration } from '../../../erasure/declaration.js';
import { label } from '../../../erasure/quote.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { grantsTo, LONG_NAME, SCHEMA } from './catalog-schema.js';

const declaration: Declaration = {
  name: 'app',
  schemas: ['app', 'Büro'],
  letheSchema: 'lethe_app',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {},
};

let database: TestDatabase;
let client: pg.Client;
let catalog: Catalog;
const role = `catalog_reader_${process.pid}`;

beforeAll(async () => {
  database = await createTestDatabase({ template: 'empty' });
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(SCHEMA);
  await client.query(`CREATE ROLE ${role} LOGIN PASSWORD '${role}'`);
  await client.query(grantsTo(role));
  catalog = await readCatalog(client, declaration);
});

afterAll(async () => {
  await client.query(`DROP OWNED BY ${role}`);
  await client.query(`DROP ROLE ${role}`);
  await client.end();
  await database.drop();
});

function table(name: string, of = catalog): CatalogTable {
  const found = of.tables.find((one) => label(one) === name);
  if (found === undefined) throw new Error(`The catalog does not have ${name}.`);
  return found;
}

function key(name: string, child: string): ForeignKey {
  const found = catalog.foreignKeys.find((one) => one.name === name && one.childOid === table(child).oid);
  if (found === undefined) throw new Error(`The catalog does not have the key ${name} of ${child}.`);
  return found;
}

const column = (of: string, name: string) => table(of).columns.find((one) => one.name === name);

describe('which tables there are', () => {
  test('the declared schemas, what keys tie to them, and no partition, view or temporary table', () => {
    expect(catalog.tables.map(label).sort()).toEqual(
      [
        '"Büro"."Tisch ""1"""',
        `app.${LONG_NAME}`,
        'app.child',
        'app.egg',
        'app.hen',
        'app.lines',
        'app.months',
        'app.one_month_only',
        'app.parent',
        'app.tenants_own',
        'app.tree',
        'app.uses_shared',
        'app.wide',
        'other.outside',
        'other.shared',
      ].sort(),
    );
    expect(catalog.tables.filter(({ declared }) => !declared).map(label)).toEqual([
      'other.outside',
      'other.shared',
    ]);
    expect(LONG_NAME).toHaveLength(63);
  });

  test('a partition tree is one table with its leaves; a child that inherits is one of its own', () => {
    const months = table('app.months');
    expect(months.kind).toBe('partitioned');
    expect(months.leaves.map(label)).toEqual(['app.months_1', 'app.months_2_a', 'app.months_2_b']);
    expect(table('app.parent').leaves.map(label)).toEqual(['app.parent']);
    expect(table('app.child').parentOids).toEqual([table('app.parent').oid]);
  });
});

describe('columns', () => {
  test('have their types, and those that are dropped are gone', () => {
    expect(table('app.tenants_own').columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'id bigint',
      'tenant_id app.own_key',
      'mood app.mood',
      'moods app.mood[]',
      'pair app.pair',
      'numbers integer[]',
      'amount numeric(10,2)',
      'tax numeric(10,2)',
      'serial integer',
      'period tstzrange',
      'payload jsonb',
      'search tsvector',
      'note character varying(20)',
    ]);
    expect(column('app.tenants_own', 'mood')?.attnum).toBe(4);
  });

  test('know generated and identity columns, and the type below domains', () => {
    expect(column('app.tenants_own', 'id')).toMatchObject({ identity: 'always', notNull: true });
    expect(column('app.tenants_own', 'serial')).toMatchObject({ identity: 'default' });
    expect(column('app.tenants_own', 'tax')).toMatchObject({ generated: true, identity: null });
    expect(column('app.tenants_own', 'tenant_id')).toMatchObject({ baseType: 'uuid', builtIn: false });
  });

  test('are built in unless their type, or that of their elements, can be altered or dropped', () => {
    const others = table('app.tenants_own').columns.filter(({ builtIn }) => !builtIn);
    expect(others.map(({ name }) => name)).toEqual(['tenant_id', 'mood', 'moods', 'pair']);
  });
});

describe('foreign keys', () => {
  test('of partitioned tables are one key, not one per partition', () => {
    const names = catalog.foreignKeys.map(({ name }) => name);
    expect(names.filter((name) => name.startsWith('months_own_id'))).toHaveLength(1);
    expect(names.filter((name) => name.startsWith('lines_'))).toHaveLength(1);
    expect(key('lines_tenant_id_day_line_fkey', 'app.lines')).toMatchObject({
      childColumns: ['tenant_id', 'day', 'line'],
      parentColumns: ['tenant_id', 'day', 'line'],
      parentOid: table('app.months').oid,
      operators: Array.from({ length: 3 }, () => 'OPERATOR(pg_catalog.=)'),
      onDelete: 'cascade',
      childPartition: null,
      parentPartition: null,
    });
  });

  test('that stand on or point to one partition say so', () => {
    expect(key('to_partition', 'app.one_month_only')).toMatchObject({
      parentOid: table('app.months').oid,
      parentPartition: { schema: 'app', name: 'months_1' },
    });
    expect(key('on_partition', 'app.months')).toMatchObject({
      childPartition: { schema: 'app', name: 'months_1' },
    });
  });

  test('have their actions, match types and states', () => {
    expect(key('partly', 'app.wide')).toMatchObject({ onDelete: 'set_null', setColumns: ['b'] });
    expect(key('fully', 'app.wide')).toMatchObject({
      match: 'full',
      childColumns: ['b', 'a'],
      parentColumns: ['a', 'b'],
    });
    expect(key('egg_hen', 'app.egg')).toMatchObject({ onDelete: 'restrict', validated: false });
    expect(key('hen_egg', 'app.hen')).toMatchObject({ onUpdate: 'cascade', onDelete: 'no_action' });
    expect(key('tree_parent_id_fkey', 'app.tree')).toMatchObject({
      childOid: table('app.tree').oid,
      parentOid: table('app.tree').oid,
      onDelete: 'set_default',
      deferrable: true,
      initiallyDeferred: true,
    });
  });

  test('of names that need quotes are read as they are', () => {
    const [found] = catalog.foreignKeys.filter(
      ({ childOid }) => childOid === table('"Büro"."Tisch ""1"""').oid,
    );
    expect(found?.childColumns).toEqual(['select']);
    expect(table('"Büro"."Tisch ""1"""').primaryKey).toEqual(['Größe']);
  });

  test('that are not enforced, or over periods, are marked (18)', async () => {
    if (catalog.serverVersion < 180000) return;
    await client.query('BEGIN');
    await client.query(`
      CREATE TABLE app.loose (id int, CONSTRAINT loose FOREIGN KEY (id) REFERENCES app.hen NOT ENFORCED);
      CREATE TABLE app.rooms (id int4range, during tstzrange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
      CREATE TABLE app.stays (id int4range, during tstzrange,
        CONSTRAINT stays FOREIGN KEY (id, PERIOD during) REFERENCES app.rooms (id, PERIOD during));`);
    const changed = await readCatalog(client, declaration);
    await client.query('ROLLBACK');
    const named = (name: string) => changed.foreignKeys.find((one) => one.name === name);
    expect(named('loose')).toMatchObject({ enforced: false, validated: false });
    expect(named('stays')).toMatchObject({
      temporal: true,
      operators: ['OPERATOR(pg_catalog.=)', 'OPERATOR(pg_catalog.&&)'],
    });
  });
});

describe('what else a table has', () => {
  test('indexes that serve equality, up to their first expression', () => {
    expect(table('app.tenants_own').indexes).toEqual([
      { columns: ['mood'], unique: false, partial: false },
      { columns: ['tenant_id', 'amount'], unique: false, partial: false },
      { columns: ['serial'], unique: false, partial: true },
      { columns: ['id'], unique: true, partial: false },
    ]);
    expect(table('app.months').indexes).toEqual([
      { columns: ['tenant_id', 'day', 'line'], unique: true, partial: false },
    ]);
  });

  test('triggers with event, timing, level and state; those of a root once', () => {
    const triggers = table('app.tenants_own').triggers;
    expect(triggers.find(({ name }) => name === 'before_all')).toEqual({
      name: 'before_all',
      events: ['insert', 'delete'],
      timing: 'before',
      level: 'row',
      enabled: 'origin',
      ours: false,
      onPartition: false,
    });
    expect(triggers.find(({ name }) => name === 'off')).toMatchObject({
      enabled: 'disabled',
      level: 'statement',
    });
    expect(triggers.filter(({ ours }) => ours).map(({ name }) => name)).toEqual([
      'fence_insert',
      'fence_update',
    ]);
    expect(
      table('app.months').triggers.map(({ name, onPartition, enabled }) => [name, onPartition, enabled]),
    ).toEqual(
      expect.arrayContaining([
        ['everywhere', false, 'origin'],
        ['fence_insert', false, 'origin'],
        ['here_only', true, 'always'],
      ]),
    );
    expect(table('app.months').triggers).toHaveLength(3);
  });

  test('a fence only where both of its triggers are', () => {
    expect(table('app.tenants_own').fenced).toBe(true);
    expect(table('app.months').fenced).toBe(false);
    expect(table('app.months').leaves.map(({ fenced }) => fenced)).toEqual([false, false, false]);
  });

  test('rules on writes', () => {
    expect(table('app.wide').rules).toEqual(['keep']);
    expect(table('app.hen').rules).toEqual([]);
  });

  test('replica identity, where deletions are published', () => {
    expect(table('app.lines').replicaIdentityMissing).toBe(true);
    expect(table('app.hen').replicaIdentityMissing).toBe(false);
    expect(table('app.months').replicaIdentityMissing).toBe(false);
    expect(table('app.uses_shared').replicaIdentityMissing).toBe(false);
  });

  test('an estimate of its rows, or none', () => {
    expect(table('app.parent').estimatedRows).toBe(500);
    expect(table('app.lines').estimatedRows).toBe(-1);
  });

  test('locks: a relation and its indexes', () => {
    expect(table('app.tenants_own').leaves[0]?.locks).toBe(6);
  });
});

test('materialized views are found through views, and name the roots that they read', () => {
  expect(catalog.materializedViews.map(label)).toEqual(['app.copied']);
  expect([...(catalog.materializedViews[0]?.tableOids ?? [])].sort()).toEqual(
    [table('app.tenants_own').oid, table('app.months').oid].sort(),
  );
});

test('publications that would copy archives out are found, others are not', async () => {
  expect(catalog.publicationsCoveringArchives).toEqual(['archives']);
  await client.query('BEGIN');
  await client.query('CREATE PUBLICATION all_of_it FOR ALL TABLES');
  const changed = await readCatalog(client, declaration);
  await client.query('ROLLBACK');
  expect(changed.publicationsCoveringArchives).toEqual(['all_of_it', 'archives']);
  expect(table('app.tree', changed).replicaIdentityMissing).toBe(false);
  expect(table('app.child', changed).replicaIdentityMissing).toBe(true);
});

test('a role sees its own privileges and what row security hides from it', async () => {
  const reader = new pg.Client({ connectionString: database.urlFor(role) });
  await reader.connect();
  const seen = await readCatalog(reader, declaration).finally(() => reader.end());
  expect(seen.role).toBe(role);
  expect(table('app.hen', seen).privileges).toEqual({
    select: true,
    insert: false,
    update: false,
    delete: false,
    schemaUsage: true,
  });
  // Through the root a partition's own privileges and policies do not count.
  expect(table('app.months', seen).privileges).toMatchObject({ select: true, delete: true, insert: true });
  expect(table('app.months', seen).leaves[0]?.privileges).toMatchObject({ select: false, delete: false });
  expect(table('app.months', seen).rowSecurity).toEqual({ enabled: true, forced: false, bypassed: true });
  expect(table('app.parent', seen).rowSecurity).toEqual({ enabled: true, forced: false, bypassed: false });
  expect(table('app.parent').rowSecurity.bypassed).toBe(true);
  expect(table('other.outside', seen).privileges).toMatchObject({ select: true, schemaUsage: false });
  expect(seen.letheSchema).toEqual({ exists: true, usage: true, create: false });
  expect(seen.systemIdentifier).toBe(catalog.systemIdentifier);
});

test('reading leaves the session as it was, within a transaction and without', async () => {
  await client.query(`SET search_path = app, public`);
  await readCatalog(client, declaration);
  expect((await client.query('SHOW search_path')).rows[0].search_path).toBe('app, public');
  await client.query('BEGIN; SET LOCAL search_path = other');
  const within = await readCatalog(client, declaration);
  expect((await client.query('SHOW search_path')).rows[0].search_path).toBe('other');
  await client.query('COMMIT');
  expect((await client.query('SHOW search_path')).rows[0].search_path).toBe('app, public');
  expect(within.tables).toEqual(catalog.tables);
  await client.query('RESET search_path');
});

test('a database where Lethe is not installed is told apart from one without privileges', async () => {
  const elsewhere = await readCatalog(client, { ...declaration, letheSchema: 'lethe_nowhere' });
  expect(elsewhere.letheSchema).toEqual({ exists: false, usage: false, create: false });
  expect(elsewhere.publicationsCoveringArchives).toEqual([]);
});

test('tables of extensions are marked', async () => {
  await client.query('BEGIN');
  await client.query(`CREATE TABLE app.of_extension (id int); CREATE EXTENSION IF NOT EXISTS plpgsql;
    ALTER EXTENSION plpgsql ADD TABLE app.of_extension`);
  const changed = await readCatalog(client, declaration);
  await client.query('ROLLBACK');
  expect(table('app.of_extension', changed).extensionOwned).toBe(true);
  expect(table('app.hen').extensionOwned).toBe(false);
});
