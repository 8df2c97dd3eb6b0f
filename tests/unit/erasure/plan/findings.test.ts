import { describe, expect, test } from 'vitest';
import type { Catalog, CatalogTable } from '../../../../erasure/catalog/types.js';
import type { Declaration } from '../../../../erasure/declaration.js';
import { makePlan } from '../../../../erasure/plan/make-plan.js';
import type { PlanFinding } from '../../../../erasure/plan/types.js';
import { catalogOf, declarationOf, type KeySpec, type TableSpec } from '../../../support/catalog-builder.js';

const shops: TableSpec = { name: 'shops', columns: ['tenant_id'] };

/** What is found besides, in a database where nothing else is wrong. */
function found(
  tables: readonly TableSpec[],
  more: Partial<Declaration> = {},
  catalog: Partial<Catalog> = {},
): PlanFinding[] {
  const declared = tables.map(({ name }) => name).filter((name) => !name.includes('.'));
  return [...makePlan(catalogOf({ tables, with: catalog }), declarationOf(declared, more)).findings];
}

const brief = (findings: readonly PlanFinding[]) =>
  findings.map(({ severity, code, table }) => [severity, code, table].join(' '));

function shopsWith(change: Partial<CatalogTable>): TableSpec {
  return { ...shops, with: change };
}

test('nothing, where nothing is wrong; every finding says what to do', () => {
  expect(found([shops, { name: 'tills', keys: [{ from: 'shop_id', to: 'shops' }] }])).toEqual([]);
  const many = found([shopsWith({ rules: ['r'], replicaIdentityMissing: true })], { fence: 'trigger' });
  for (const { message, remedy } of many) {
    expect(message).not.toBe('');
    expect(remedy).not.toBe('');
  }
});

describe('privileges', () => {
  const none = { select: false, insert: false, update: false, delete: false, schemaUsage: true };

  test('each that is missing is a refusal with table, privilege and GRANT', () => {
    const findings = found([shopsWith({ privileges: none })]);
    expect(findings.map(({ code, privilege }) => `${code} ${privilege}`)).toEqual(
      ['DELETE', 'INSERT', 'SELECT', 'UPDATE'].map((privilege) => `privilege_missing ${privilege}`),
    );
    expect(findings[0]).toMatchObject({
      severity: 'refusal',
      table: 'app.shops',
      message: 'The role lethe_app lacks DELETE on app.shops, which it needs to delete rows.',
      remedy: 'GRANT DELETE ON "app"."shops" TO "lethe_app";',
    });
  });

  test('a kept table is only read; one that refers is read, and changed where its value is nulled', () => {
    const kept: TableSpec = { name: 'kept', columns: ['tenant_id'], with: { privileges: none } };
    const policy = {
      ...declarationOf(['shops']).tables,
      'app.kept': { action: 'keep', reason: 'law' },
    } as const;
    const missing = (findings: PlanFinding[]) => findings.flatMap(({ privilege }) => privilege ?? []);
    expect(missing(found([shops, kept], { tables: policy }))).toEqual(['SELECT']);
    const refers: TableSpec = {
      name: 'shared',
      columns: ['shop_id?'],
      keys: [{ from: 'shop_id', to: 'shops', onDelete: 'set_null' }],
      with: { privileges: none },
    };
    expect(missing(found([shops, refers], { tables: declarationOf(['shops']).tables }))).toEqual([
      'SELECT',
      'UPDATE',
    ]);
  });

  test("schemas, once each, and Lethe's own", () => {
    const privileges = {
      ...none,
      select: true,
      insert: true,
      update: true,
      delete: true,
      schemaUsage: false,
    };
    const findings = found(
      [shopsWith({ privileges }), { name: 'tills', columns: ['tenant_id'], with: { privileges } }],
      {},
      { letheSchema: { exists: true, usage: false, create: false } },
    );
    expect(findings.map(({ privilege, remedy }) => [privilege, remedy])).toEqual([
      ['CREATE', 'GRANT CREATE ON SCHEMA "lethe_app" TO "lethe_app";'],
      ['USAGE', 'GRANT USAGE ON SCHEMA "lethe_app" TO "lethe_app";'],
      ['USAGE', 'GRANT USAGE ON SCHEMA "app" TO "lethe_app";'],
    ]);
    const nowhere = found([shops], {}, { letheSchema: { exists: false, usage: false, create: false } });
    expect(brief(nowhere)).toEqual(['refusal lethe_schema_missing ']);
  });
});

describe('what a table is', () => {
  test.each<[string, Partial<CatalogTable>, string]>([
    ['a foreign table', { kind: 'foreign' }, 'refusal foreign_table app.shops'],
    ['rules', { rules: ['keep'] }, 'refusal rewrite_rule app.shops'],
    [
      'published without replica identity',
      { replicaIdentityMissing: true },
      'refusal replica_identity_missing app.shops',
    ],
    [
      'row security that hides rows',
      { rowSecurity: { enabled: true, forced: true, bypassed: false } },
      'refusal row_security app.shops',
    ],
    ['no index on the tenant column', { indexes: [] }, 'warning tenant_column_unindexed app.shops'],
  ])('%s', (_, change, expected) => {
    expect(brief(found([shopsWith(change)]))).toEqual([expected]);
  });

  test('row security that is bypassed, and what is wrong with tables that hold no rows of tenants, is no matter', () => {
    expect(found([shopsWith({ rowSecurity: { enabled: true, forced: true, bypassed: true } })])).toEqual([]);
    const shared: TableSpec = { name: 'shared', with: { kind: 'foreign', rules: ['r'] } };
    expect(found([shops, shared], { tables: declarationOf(['shops']).tables })).toEqual([]);
  });

  test('a foreign partition', () => {
    const [leaf] = catalogOf({ tables: [shops] }).tables[0]?.leaves ?? [];
    const leaves = leaf ? [leaf, { ...leaf, name: 'far', kind: 'foreign' as const }] : [];
    expect(brief(found([shopsWith({ kind: 'partitioned', leaves })]))).toEqual([
      'refusal foreign_table app.shops',
    ]);
  });

  test('columns that may point to large objects', () => {
    expect(brief(found([{ ...shops, columns: ['tenant_id', 'scan?:oid'] }]))).toEqual([
      'refusal large_object app.shops',
    ]);
  });

  test('more locks than there is room for', () => {
    expect(brief(found([shops], {}, { lockTableSize: 2 }))).toEqual(['refusal lock_table ']);
    expect(brief(found([shops], {}, { lockTableSize: 5 }))).toEqual(['warning lock_table ']);
  });
});

describe('triggers', () => {
  const trigger = (events: readonly ('insert' | 'update' | 'delete')[]): TableSpec => ({
    ...shops,
    triggers: [{ events }],
  });

  test.each(['delete', 'insert'] as const)('on %s are refused until they are decided', (event) => {
    expect(brief(found([trigger([event])]))).toEqual(['refusal trigger_undecided app.shops']);
  });

  test('may fire where that was decided, or are suppressed where they can be', () => {
    const policy = (triggers: 'fire' | 'suppress') => ({
      tables: { 'app.shops': { action: 'delete', triggers } as const },
    });
    expect(brief(found([trigger(['delete'])], policy('fire')))).toEqual(['warning trigger_fires app.shops']);
    expect(brief(found([trigger(['delete'])], policy('suppress')))).toEqual([
      'info trigger_suppressed app.shops',
    ]);
    for (const enabled of ['always', 'replica'] as const) {
      const triggers = [{ events: ['delete'] as const }, { events: ['insert'] as const, enabled }];
      const loud = found([{ ...shops, triggers }], policy('suppress'));
      expect(brief(loud)).toEqual(['refusal trigger_not_suppressible app.shops']);
    }
    const plan = makePlan(catalogOf({ tables: [trigger(['delete'])] }), declarationOf([], policy('fire')));
    expect(plan.tables[0]?.triggers).toBe('fire');
  });

  test('on UPDATE, of ours, switched off, for replicas or of kept tables do not fire', () => {
    expect(found([trigger(['update'])])).toEqual([]);
    expect(
      found([{ ...shops, triggers: [{ ours: true }, { enabled: 'disabled' }, { enabled: 'replica' }] }]),
    ).toEqual([]);
    expect(
      found([trigger(['delete'])], { tables: { 'app.shops': { action: 'keep', reason: 'law' } } }),
    ).toEqual([]);
  });

  test('on UPDATE fire where rows that stay lose a reference', () => {
    const visits: TableSpec = {
      name: 'visits',
      columns: ['tenant_id', 'shop_id?'],
      keys: [{ from: 'shop_id', to: 'shops', onDelete: 'set_null' }],
      triggers: [{ events: ['update'] }],
    };
    expect(brief(found([shops, visits]))).toEqual(['warning trigger_on_reference app.visits']);
  });
});

describe('coverage', () => {
  test('a tenant table that nobody accepted, and one that is declared and is not there', () => {
    const { tables } = declarationOf(['tills']);
    expect(brief(found([shops], { tables }))).toEqual([
      'refusal table_not_accepted app.shops',
      'refusal declared_table_missing app.tills',
    ]);
  });

  test('a table that is to be deleted from, and belongs to nobody', () => {
    expect(brief(found([{ name: 'cities' }]))).toEqual(['refusal table_not_owned app.cities']);
    expect(
      found([{ name: 'cities' }], { tables: { 'app.cities': { action: 'keep', reason: 'shared' } } }),
    ).toEqual([]);
  });

  test('a table that looks as if it held rows of tenants, by its columns', () => {
    const { tables } = declarationOf(['shops']);
    expect(brief(found([shops, { name: 'logs', columns: ['tenantId'] }], { tables }))).toEqual([
      'warning looks_tenant_owned app.logs',
    ]);
    expect(brief(found([shops, { name: 'logs', columns: ['shop_id'] }], { tables }))).toEqual([
      'warning soft_reference app.logs',
    ]);
    expect(
      brief(found([shops, { name: 'logs', columns: ['subject_id', 'subject_type:text'] }], { tables })),
    ).toEqual(['warning generic_reference app.logs']);
  });

  test('a column that is called like one tenant, where it is of the type of its key', () => {
    const tenant = { columns: [], root: { table: 'app.projects', key: 'id' }, type: 'integer' } as const;
    const { tables } = declarationOf(['projects']);
    const flags = (column: string) =>
      brief(found([{ name: 'projects' }, { name: 'flags', columns: [column] }], { tenant, tables }));
    expect(flags('project:integer')).toEqual(['warning looks_tenant_owned app.flags']);
    expect(flags('project:text')).toEqual([]);
    expect(flags('project_manager:integer')).toEqual([]);
  });

  test('a tenant column of another type than declared, and several of them', () => {
    expect(brief(found([{ name: 'shops', columns: ['tenant_id:text'] }]))).toEqual([
      'refusal tenant_type_mismatch app.shops',
    ]);
    const tenant = { columns: ['tenant_id', 'org_id'], type: 'uuid' } as const;
    expect(brief(found([{ name: 'shops', columns: ['tenant_id', 'org_id:uuid'] }], { tenant }))).toEqual([
      'warning tenant_column_ambiguous app.shops',
    ]);
  });

  test('a fence that is not on every partition', () => {
    const [leaf] = catalogOf({ tables: [shops] }).tables[0]?.leaves ?? [];
    const leaves = leaf ? [leaf, { ...leaf, name: 'new_month', fenced: false }] : [];
    const findings = found([shopsWith({ kind: 'partitioned', leaves })]);
    expect(brief(findings)).toEqual(['warning fence_missing app.shops']);
    expect(findings[0]?.message).toContain('app.new_month');
    expect(findings[0]?.remedy).toContain(`CALL "lethe_app"."fence_table"('"app"."shops"');`);
    expect(found([shopsWith({ kind: 'partitioned', leaves })], { fence: 'application' })).toEqual([]);
  });
});

describe('keys', () => {
  const tills = (key: Partial<KeySpec>, columns: string[] = []): TableSpec => ({
    name: 'tills',
    columns,
    keys: [{ from: 'shop_id', to: 'shops', ...key }],
  });

  test('that no index serves, that were never validated, that are not enforced', () => {
    expect(brief(found([shops, { ...tills({}), with: { indexes: [] } }]))).toEqual([
      'warning reference_unindexed app.tills',
    ]);
    expect(brief(found([shops, tills({ with: { validated: false } })]))).toEqual([
      'warning key_unvalidated app.tills',
    ]);
    expect(brief(found([shops, tills({ with: { enforced: false } }, ['tenant_id'])]))).toEqual([
      'warning key_unenforced app.tills',
    ]);
  });

  test("between two participants' tables, in either direction", () => {
    const outside = (name: string, more: Partial<TableSpec>): TableSpec => ({
      name: `other.${name}`,
      ...more,
    });
    expect(brief(found([shops, outside('exports', { keys: [{ from: 'shop_id', to: 'shops' }] })]))).toEqual([
      'refusal key_between_participants other.exports',
    ]);
    expect(
      brief(
        found([
          { ...shops, columns: ['tenant_id', 'crm_id'], keys: [{ from: 'crm_id', to: 'other.crm' }] },
          outside('crm', { columns: ['tenant_id'] }),
        ]),
      ),
    ).toEqual(['refusal key_between_participants app.shops']);
    expect(
      found([
        { ...shops, columns: ['tenant_id', 'city_id'], keys: [{ from: 'city_id', to: 'other.cities' }] },
        outside('cities', {}),
      ]),
    ).toEqual([]);
  });

  test('of kept tables, whose rows could not stay', () => {
    const tables = {
      ...declarationOf(['shops']).tables,
      'app.tills': { action: 'keep', reason: 'law' },
    } as const;
    expect(brief(found([shops, tills({}, ['tenant_id'])], { tables }))).toEqual([
      'refusal kept_rows_refer app.tills',
    ]);
    expect(
      brief(found([shops, tills({ onDelete: 'cascade' }, ['tenant_id', 'shop_id?'])], { tables })),
    ).toEqual(['refusal kept_rows_refer app.tills']);
    expect(found([shops, tills({}, ['tenant_id', 'shop_id?'])], { tables })).toEqual([]);
    expect(
      brief(found([shops, tills({ onDelete: 'set_null' }, ['tenant_id', 'shop_id?'])], { tables })),
    ).toEqual(['info reference_nulled app.tills']);
  });

  test('decisions that cannot be carried out, or are about no key', () => {
    const references = { 'app.tills.shop_id': 'reference' } as const;
    expect(brief(found([shops, tills({}, ['tenant_id'])], { references }))).toEqual([
      'refusal decision_impossible app.tills',
    ]);
    expect(
      brief(found([shops, tills({ onDelete: 'cascade' }, ['tenant_id', 'shop_id?'])], { references })),
    ).toEqual(['refusal decision_impossible app.tills']);
    expect(brief(found([shops], { references }))).toEqual(['warning decision_unknown ']);
  });
});

test('materialized views and publications that keep or spread copies', () => {
  const oid = catalogOf({ tables: [shops] }).tables[0]?.oid ?? 0;
  const view = { oid: 1, schema: 'app', name: 'report', tableOids: [oid] };
  expect(
    brief(found([shops], {}, { materializedViews: [view], publicationsCoveringArchives: ['everything'] })),
  ).toEqual(['refusal publication_covers_archive ', 'warning materialized_view app.report']);
});

test('refusals come first', () => {
  const findings = found([
    shopsWith({ indexes: [], rules: ['r'] }),
    { name: 'zoo', columns: ['tenant_id'], with: { rules: ['r'] } },
  ]);
  expect(brief(findings)).toEqual([
    'refusal rewrite_rule app.shops',
    'refusal rewrite_rule app.zoo',
    'warning tenant_column_unindexed app.shops',
  ]);
});

describe('columns that name users', () => {
  const PEOPLE = [
    'user_id:uuid',
    'created_by:uuid',
    'approved_by:text',
    'reviewing_user_id:uuid',
    'owner_id:bigint',
    'authorId:uuid',
    'assigned_to:uuid',
    'contact_email:text',
    // Not these: what they say is when, whether, how much.
    'email_verified:boolean',
    'email_checked_at:timestamp with time zone',
    'user_agent:text',
    'name:text',
  ];
  const NAMED =
    'user_id, created_by, approved_by, reviewing_user_id, owner_id, "authorId", assigned_to, contact_email';
  const users = (findings: readonly PlanFinding[]) =>
    findings.filter(({ code }) => code === 'column_names_users');

  test('are listed of tables that are kept and of those that nobody owns, once a table', () => {
    const kept: TableSpec = { name: 'app.logs', columns: ['tenant_id', ...PEOPLE] };
    const shared: TableSpec = { name: 'app.cities', columns: PEOPLE };
    const elsewhere: TableSpec = { name: 'other.things', columns: PEOPLE };
    const tables = {
      'app.shops': { action: 'delete' },
      'app.logs': { action: 'keep', reason: 'law' },
    } as const;
    const findings = users(found([shops, kept, shared, elsewhere], { tables }));
    expect(findings).toMatchObject([
      {
        severity: 'info',
        table: 'app.cities',
        message: expect.stringContaining(`to no tenant, and ${NAMED} look`),
      },
      { severity: 'info', table: 'app.logs', message: expect.stringContaining(`is kept, and ${NAMED} look`) },
    ]);
    for (const { remedy } of findings) expect(remedy).toContain('Look at whom they name');
  });

  test('are no matter where rows go, where they are nulled, and where they say whose a row is', () => {
    const gone: TableSpec = { name: 'gone', columns: ['tenant_id', ...PEOPLE] };
    const nulled: TableSpec = {
      name: 'app.shared',
      columns: ['owner_id?'],
      keys: [{ from: 'owner_id', to: 'shops', onDelete: 'set_null' }],
    };
    expect(users(found([shops, gone, nulled]))).toEqual([]);
    const tenant = { columns: ['account_id'], type: 'integer' } as const;
    const kept: TableSpec = { name: 'app.kept', columns: ['account_id'] };
    const accounts: TableSpec = { name: 'shops', columns: ['account_id'] };
    const tables = {
      'app.shops': { action: 'delete' },
      'app.kept': { action: 'keep', reason: 'law' },
    } as const;
    expect(users(found([accounts, kept], { tenant, tables }))).toEqual([]);
  });

  test('are decided one by one where rows are anonymized, so nothing is listed', () => {
    const reviews: TableSpec = {
      name: 'reviews',
      columns: ['tenant_id?', 'created_by?'],
      with: { primaryKey: ['id'] },
    };
    const columns = { tenant_id: { becomes: 'null' }, created_by: { becomes: 'null' } } as const;
    const tables = {
      'app.shops': { action: 'delete' },
      'app.reviews': { action: 'anonymize', columns },
    } as const;
    expect(users(found([shops, reviews], { tables }))).toEqual([]);
  });
});
