import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readLocalConfig } from '../../../config.js';
import { readCatalog } from '../../../erasure/catalog/read.js';
import { createEngine } from '../../../erasure/engine.js';
import { type Engine, EngineError, type EngineLimits } from '../../../erasure/engine-types.js';
import { grantScript } from '../../../erasure/install/grant-statements.js';
import { makePlan } from '../../../erasure/plan/make-plan.js';
import { type Model, modelOf, type Table, TENANTS } from '../../support/any-schema/model.js';
import { rawSchema } from '../../support/any-schema/raw.js';
import {
  type Outcome,
  orphansStuck,
  outcomeOf,
  type Rows,
  rowsOf,
  triggersInTheWay,
} from '../../support/any-schema/rows.js';
import { keysSql, rowsSql, shown, source, tablesSql, triggersSql } from '../../support/any-schema/sql.js';
import { newJob, reach } from '../../support/erasure.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { withSuperuser } from '../../support/test-databases.js';

type Contents = ReadonlyMap<Table, readonly (readonly (string | null)[])[]>;

let database: TestDatabase;
let admin: pg.Client;
/** One that may turn triggers off, and one that may not. */
const roles = {
  fast: `lethe_any_${randomUUID().slice(0, 8)}`,
  slow: `lethe_any_${randomUUID().slice(0, 8)}`,
};

beforeAll(async () => {
  database = await createTestDatabase({ template: 'empty' });
  admin = new pg.Client({ connectionString: database.url });
  admin.on('error', () => undefined);
  await admin.connect();
  for (const role of Object.values(roles)) await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD '${role}'`);
});

afterAll(async () => {
  await admin.end();
  await database.drop();
  const server = new URL(database.url);
  server.pathname = '/postgres';
  await withSuperuser(server.href, async (client) => {
    await client.query(`REVOKE SET ON PARAMETER session_replication_role FROM ${roles.fast}`);
    for (const role of Object.values(roles)) await client.query(`DROP ROLE ${role}`);
  });
});

/** Makes tables and rows, and gives these as PostgreSQL shows them. */
async function create(model: Model, rows: Rows): Promise<Contents> {
  await admin.query('DROP SCHEMA IF EXISTS "Lethe ""any""" CASCADE');
  await admin.query(tablesSql(model, rows));
  const contents = new Map<Table, (string | null)[][]>();
  for (const table of model.tables) {
    const sql = rowsSql(table, rows);
    const written = sql === null ? [] : (await admin.query<{ all: (string | null)[] }>(sql)).rows;
    contents.set(
      table,
      written.map(({ all }) => all),
    );
  }
  await admin.query(keysSql(model));
  await admin.query(triggersSql(model));
  const { declaration } = model;
  const plan = makePlan(await readCatalog(admin, declaration), declaration);
  for (const [kind, role] of Object.entries(roles)) {
    const fastPath = kind === 'fast';
    await admin.query(
      grantScript({ plan, declaration, role, roleExists: true, installed: !fastPath, fastPath }),
    );
  }
  return contents;
}

async function contentsOf({ tables }: Model): Promise<Contents> {
  const contents = new Map<Table, (string | null)[][]>();
  for (const table of tables) {
    const { rows } = await admin.query<{ all: (string | null)[] }>(
      `SELECT ${shown(table)} FROM ${source(table)}`,
    );
    contents.set(
      table,
      rows.map(({ all }) => all),
    );
  }
  return contents;
}

function afterStage(before: Contents, { gone, changed }: Outcome): Contents {
  return new Map(
    [...before].map(([table, rows]) => [
      table,
      rows.flatMap((row, at) => {
        if (gone.get(table)?.has(at)) return [];
        const values = changed.get(table)?.get(at);
        return [
          table.columns.map(({ name }, place) =>
            values?.has(name) ? (values.get(name) ?? null) : (row[place] ?? null),
          ),
        ];
      }),
    ]),
  );
}

/** By name, rows in an order of their own: two are the same if their tables hold the same rows equally often. */
function comparable(contents: Contents): Record<string, string[]> {
  return Object.fromEntries(
    [...contents].map(([{ schema, name }, rows]) => [
      `${schema}.${name}`,
      rows.map((row) => JSON.stringify(row)).sort(),
    ]),
  );
}

/** Every table in chunks of a block. */
const CHUNKS = { singleTransactionRows: 0, chunkMs: 1 };

/** With triggers on and off, and one of both in chunks. */
function ways(turn: number): { role: string; limits: Partial<EngineLimits> }[] {
  return [
    { role: roles.slow, limits: turn === 1 ? CHUNKS : {} },
    { role: roles.fast, limits: turn === 2 ? CHUNKS : {} },
  ];
}

const { TEST_SCHEMAS: numRuns, TEST_SEED: seed } = readLocalConfig();
/** What a role that may not turn triggers off cannot do. */
const FOR_TRIGGERS = ['trigger_not_suppressible', 'orphan_rows_stuck'];
/** Also for finding a smaller schema that fails as well. */
const LIMIT_MS = 30_000 + numRuns * 8_000;

const seen = { run: 0, refused: new Map<string, number>(), moved: 0, orphans: 0 };

test(
  'of any schema exactly what belongs to a tenant goes, comes back exactly, and goes for good',
  async () => {
    await fc.assert(
      fc.asyncProperty(rawSchema, fc.nat(2), async (raw, tenant) => {
        const model = modelOf(raw);
        const rows = rowsOf(model);
        const before = await create(model, rows);
        const outcome = outcomeOf(model, rows, tenant);
        const tenantId = TENANTS[model.tenantType][tenant] ?? '';
        seen.run += 1;
        for (const { role, limits } of ways(tenant)) {
          const engine = createEngine({
            databaseUrl: database.urlFor(role),
            declaration: model.declaration,
            limits: { lockTimeoutMs: 5_000, longestTransactionMs: 60_000, ...limits },
            poolSize: 2,
          });
          try {
            const triggers = triggersInTheWay(model, role === roles.fast);
            const orphans = orphansStuck(model, outcome, role === roles.fast);
            const refused = await roundTrip(engine, model, before, outcome, tenantId, { triggers, orphans });
            // Whoever may turn triggers off goes on where the other could not.
            if (FOR_TRIGGERS.includes(refused ?? '') && role === roles.slow) continue;
            if (refused !== null) {
              seen.refused.set(refused, (seen.refused.get(refused) ?? 0) + 1);
              return;
            }
            if (role === roles.fast) await forGood(engine, model, before, outcome, tenantId, tenant !== 0);
          } finally {
            await engine.close();
          }
        }
      }),
      { numRuns, seed, interruptAfterTimeLimit: LIMIT_MS },
    );
    const refusals = [...seen.refused.values()].reduce((sum, times) => sum + times, 0);
    if (numRuns > 50)
      process.stdout.write(
        `${seen.run} schemas, ${seen.moved} rows moved, ${seen.orphans} keys with orphans, refused: ${JSON.stringify(Object.fromEntries(seen.refused))}\n`,
      );
    expect(refusals / seen.run).toBeLessThan(0.4);
    expect(seen.moved).toBeGreaterThan(seen.run);
  },
  LIMIT_MS + 60_000,
);

/** Gives the code of what it was refused for, or null. */
async function roundTrip(
  engine: Engine,
  model: Model,
  before: Contents,
  outcome: Outcome,
  tenantId: string,
  inTheWay: Readonly<Record<'triggers' | 'orphans', 'yes' | 'no' | 'maybe'>>,
): Promise<string | null> {
  const job = newJob(tenantId);
  const preview = await engine.preview(tenantId);
  const codes = preview.findings.flatMap(({ severity, code }) => (severity === 'refusal' ? [code] : []));
  try {
    await reach(engine, job, 'staged');
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const code = codes[0] ?? error.code;
    const possible = [
      ...outcome.refusals,
      ...(outcome.cyclic ? ['reference_conflict'] : []),
      ...(inTheWay.triggers === 'no' ? [] : ['trigger_not_suppressible']),
      ...(inTheWay.orphans === 'no' ? [] : ['orphan_rows_stuck']),
    ];
    expect(possible, `${code}: ${error.message}`).toContain(code);
    await reach(engine, job, 'restored');
    expect(comparable(await contentsOf(model))).toEqual(comparable(before));
    return code;
  }
  expect([...outcome.refusals], 'what has to be refused').toEqual([]);
  expect(Object.values(inTheWay)).not.toContain('yes');
  const told = preview.findings.filter(({ code }) => code === 'orphan_rows');
  expect(told.length, 'keys with orphans').toBe(outcome.orphans.size);
  seen.orphans += told.length;
  expect(codes, 'what runs is not refused by the preview').toEqual([]);
  const staged = comparable(afterStage(before, outcome));
  expect(comparable(await contentsOf(model)), 'staged').toEqual(staged);
  const gone = [...outcome.gone.values()].reduce((sum, { size }) => sum + size, 0);
  expect(preview.totalRows).toBe(gone);
  seen.moved += gone;
  await reach(engine, job, 'restored');
  expect(comparable(await contentsOf(model)), 'restored').toEqual(comparable(before));
  return null;
}

/** What was staged is purged, or there is nothing staged; then nothing is left. */
async function forGood(
  engine: Engine,
  model: Model,
  before: Contents,
  outcome: Outcome,
  tenantId: string,
  staged: boolean,
): Promise<void> {
  const job = newJob(tenantId);
  if (staged) await reach(engine, job, 'staged');
  await reach(engine, job, 'purged');
  expect(comparable(await contentsOf(model)), 'purged').toEqual(comparable(afterStage(before, outcome)));
  expect(await engine.verify(tenantId, job.jobId)).toMatchObject({ clean: true, rowsLeft: 0 });
}
