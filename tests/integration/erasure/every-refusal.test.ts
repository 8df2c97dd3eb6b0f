import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Declaration } from '../../../erasure/declaration.js';
import { createEngine } from '../../../erasure/engine.js';
import { projectRoot } from '../../../local/paths.js';
import {
  archivesLeft,
  ask,
  checksums,
  countRows,
  createErasureDatabase,
  type ErasureDatabase,
  newJob,
  reach,
} from '../../support/erasure.js';
import { NEIGHBOUR, SMALL_SQL, smallRows, smallShop, TENANT } from './small-shop.js';

interface Case {
  readonly what: string;
  readonly code: string;
  readonly make?: string;
  readonly undo?: string;
  readonly declaration?: Partial<Declaration>;
  /** What PostgreSQL itself says to the deletion that is refused. */
  readonly plainly?: RegExp;
}

const withTables = (tables: Declaration['tables']) => ({ tables: { ...smallShop.tables, ...tables } });

const CASES: readonly Case[] = [
  {
    what: 'a table on another server',
    code: 'foreign_table',
    make: `CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER far FOREIGN DATA WRAPPER nothing;
           CREATE FOREIGN TABLE small.far (id int, tenant_id uuid) SERVER far; GRANT ALL ON small.far TO PUBLIC`,
    undo: 'DROP FOREIGN DATA WRAPPER nothing CASCADE',
    declaration: withTables({ 'small.far': { action: 'delete' } }),
    plainly: /has no handler/,
  },
  {
    what: 'a partition on another server',
    code: 'foreign_table',
    make: `CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER far FOREIGN DATA WRAPPER nothing;
           ALTER TABLE small.visits DROP CONSTRAINT visits_pkey;
           CREATE FOREIGN TABLE small.visits_far PARTITION OF small.visits DEFAULT SERVER far`,
    undo: `DROP FOREIGN DATA WRAPPER nothing CASCADE; ALTER TABLE small.visits ADD PRIMARY KEY (id, at)`,
  },
  {
    what: 'a column of large objects',
    code: 'large_object',
    make: 'ALTER TABLE small.notes ADD scan oid',
    undo: 'ALTER TABLE small.notes DROP scan',
  },
  {
    what: 'a trigger that may do anything with the values',
    code: 'trigger_undecided',
    make: `CREATE FUNCTION small.audit() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN INSERT INTO small.topics VALUES (OLD.id); RETURN OLD; END';
           CREATE TRIGGER audit AFTER DELETE ON small.notes FOR EACH ROW EXECUTE FUNCTION small.audit()`,
    undo: 'DROP FUNCTION small.audit CASCADE',
  },
  {
    what: 'a trigger of one partition alone',
    code: 'trigger_undecided',
    make: `CREATE FUNCTION small.count() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
           CREATE TRIGGER count AFTER DELETE ON small.visits_1 FOR EACH ROW EXECUTE FUNCTION small.count()`,
    undo: 'DROP FUNCTION small.count CASCADE',
  },
  {
    what: 'a trigger that is to be suppressed and cannot',
    code: 'trigger_not_suppressible',
    make: `CREATE FUNCTION small.loud() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
           CREATE TRIGGER loud AFTER DELETE ON small.notes FOR EACH ROW EXECUTE FUNCTION small.loud();
           ALTER TABLE small.notes ENABLE ALWAYS TRIGGER loud`,
    undo: 'DROP FUNCTION small.loud CASCADE',
    declaration: withTables({ 'small.notes': { action: 'delete', triggers: 'suppress' } }),
  },
  {
    what: 'a rule',
    code: 'rewrite_rule',
    make: 'CREATE RULE stay AS ON DELETE TO small.notes DO INSTEAD NOTHING',
    undo: 'DROP RULE stay ON small.notes',
  },
  {
    what: 'a published table whose rows nothing identifies',
    code: 'replica_identity_missing',
    make: 'ALTER TABLE small.notes REPLICA IDENTITY NOTHING; CREATE PUBLICATION notes FOR TABLE small.notes',
    undo: 'DROP PUBLICATION notes; ALTER TABLE small.notes REPLICA IDENTITY DEFAULT',
    plainly: /does not have a replica identity and publishes deletes/,
  },
  {
    what: 'a publication that would copy archives out',
    code: 'publication_covers_archive',
    make: 'CREATE PUBLICATION everything FOR ALL TABLES',
    undo: 'DROP PUBLICATION everything',
  },
  {
    what: 'row security on a table',
    code: 'row_security',
    make: 'ALTER TABLE small.invoices ENABLE ROW LEVEL SECURITY',
    undo: 'ALTER TABLE small.invoices DISABLE ROW LEVEL SECURITY',
  },
  {
    what: 'row security on a table that merely refers',
    code: 'row_security',
    make: 'ALTER TABLE small.staff ENABLE ROW LEVEL SECURITY',
    undo: 'ALTER TABLE small.staff DISABLE ROW LEVEL SECURITY',
  },
  {
    what: 'a schema of a type that the role may not use',
    code: 'privilege_missing',
    make: `CREATE SCHEMA types; CREATE DOMAIN types.mood AS text; ALTER TABLE small.notes ADD mood types.mood`,
    undo: 'ALTER TABLE small.notes DROP mood; DROP SCHEMA types CASCADE',
  },
  {
    what: 'a key from the tables of another participant',
    code: 'key_between_participants',
    make: 'CREATE SCHEMA other; CREATE TABLE other.pins (note int REFERENCES small.notes)',
    undo: 'DROP SCHEMA other CASCADE',
  },
  {
    what: 'rows that are kept and cannot be without others',
    code: 'kept_rows_refer',
    declaration: withTables({ 'small.lines': { action: 'keep', reason: 'commercial law' } }),
  },
  {
    what: 'a table that nobody has accepted',
    code: 'table_not_accepted',
    make: 'CREATE TABLE small.fresh (tenant_id uuid NOT NULL)',
    undo: 'DROP TABLE small.fresh',
  },
  {
    what: 'a declared table that is not there',
    code: 'declared_table_missing',
    declaration: withTables({ 'small.gone': { action: 'delete' } }),
  },
  {
    what: 'a table whose rows are nobody’s',
    code: 'table_not_owned',
    declaration: withTables({ 'small.topics': { action: 'delete' } }),
  },
  {
    what: 'a table that was accepted as owned in another way',
    code: 'ownership_changed',
    declaration: withTables({ 'small.notes': { action: 'delete', ownedBy: 'topic → small.topics' } }),
  },
  {
    what: 'a question that nobody has answered',
    code: 'question_open',
    declaration: { openQuestions: [{ about: 'small.topics', question: 'Whose?', suggestion: 'keep' }] },
  },
  {
    what: 'a key that may mean ownership or not',
    code: 'reference_undecided',
    make: 'ALTER TABLE small.topics ADD account int REFERENCES small.accounts',
    undo: 'ALTER TABLE small.topics DROP account',
  },
  {
    what: 'a decision that the key does not allow',
    code: 'decision_impossible',
    declaration: { references: { 'small.lines.invoice_id': 'reference' } },
  },
  {
    what: 'a reference that names no column',
    code: 'soft_reference_unknown',
    declaration: { softReferences: [{ from: 'small.topics.who', to: 'small.accounts.id' }] },
  },
  {
    what: 'a tenant column of another type',
    code: 'tenant_type_mismatch',
    make: 'CREATE TABLE small.odd (tenant_id text)',
    undo: 'DROP TABLE small.odd',
    declaration: withTables({ 'small.odd': { action: 'delete' } }),
  },
  {
    what: "a database without Lethe's schema",
    code: 'lethe_schema_missing',
    declaration: { letheSchema: 'nowhere' },
  },
];

let db: ErasureDatabase;

beforeAll(async () => {
  db = await createErasureDatabase({ declaration: smallShop, schema: SMALL_SQL, fast: true });
  await db.admin.query(smallRows(NEIGHBOUR, 1000));
  await db.admin.query(smallRows(TENANT, 0));
});
afterAll(() => db?.drop());

describe('a deletion is refused, and nothing is touched, because of', () => {
  it.each(CASES)('$what ($code)', async ({ code, make, undo, declaration, plainly }) => {
    if (make !== undefined) await db.admin.query(make);
    const before = await checksums(db.admin, smallShop).catch(() => null);
    const engine = createEngine({
      databaseUrl: db.database.urlFor(db.role),
      declaration: { ...smallShop, ...declaration },
      limits: { lockTimeoutMs: 2_000, longestTransactionMs: 30_000 },
    });
    try {
      const { findings } = await engine.preview(TENANT);
      const found = findings.filter(({ severity }) => severity === 'refusal');
      expect(found.map((one) => one.code)).toContain(code);
      for (const { message, remedy } of found)
        expect([message, remedy].join(' ')).not.toMatch(/undefined|null,/);
      const job = newJob(TENANT);
      if (code !== 'lethe_schema_missing') {
        await expect(ask(engine, job, 'staged')).rejects.toMatchObject({
          name: 'EngineError',
          code: expect.stringMatching(/^(plan_refused|privilege_missing)$/),
        });
        expect((await engine.status(TENANT, job.jobId)).state).toBe('absent');
      }
      if (plainly) {
        const table = code === 'foreign_table' ? 'small.far' : 'small.notes';
        await expect(db.admin.query(`DELETE FROM ${table}`)).rejects.toThrow(plainly);
      }
    } finally {
      await engine.close();
    }
    if (before !== null) expect(await checksums(db.admin, smallShop)).toEqual(before);
    expect(await archivesLeft(db)).toEqual([]);
    expect(await countRows(db.admin, 'lethe_small.tenant_tombstones')).toBe(0);
    if (undo !== undefined) await db.admin.query(undo);
  });

  it('nothing of the kind, once it is put right', async () => {
    const engine = db.engine();
    const before = await checksums(db.admin, smallShop);
    const job = newJob(TENANT);
    await reach(engine, job, 'staged');
    await reach(engine, job, 'restored');
    expect(await checksums(db.admin, smallShop)).toEqual(before);
  });
});

it('every refusal that is documented has a test, here or elsewhere', () => {
  const page = readFileSync(join(projectRoot, 'docs', 'findings.md'), 'utf8');
  const documented = [...page.matchAll(/^\| `(\w+)` +\| [^|]*refusal/gm)].map(([, code]) => code ?? '');
  expect(documented.length).toBeGreaterThan(20);
  const tests = readdirSync(join(projectRoot, 'tests'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => readFileSync(join(projectRoot, 'tests', path), 'utf8'))
    .join('\n');
  expect(documented.filter((code) => !new RegExp(`\\b${code}\\b`).test(tests))).toEqual([]);
});
