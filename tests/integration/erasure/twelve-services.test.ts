import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../../erasure/engine.js';
import type { Engine } from '../../../erasure/engine-types.js';
import { declarations } from '../../../services/registry.js';
import { type SeededTenant, seedTenants } from '../../../services/sample-data/load.js';
import { until } from '../../support/conditions.js';
import { checksums, newJob, reach } from '../../support/erasure.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

let database: TestDatabase;
let admin: pg.Client;
let tenants: SeededTenant[];
const engines = new Map<string, Engine>();

const engineOf = (name: string): Engine => {
  const engine = engines.get(name);
  if (engine === undefined) throw new Error(`There is no engine for ${name}.`);
  return engine;
};

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  tenants = await seedTenants({
    databaseUrl: database.url,
    tenants: 2,
    rowsPerTenant: 1_500,
    seed: 'twelve',
  });
  for (const declaration of declarations) {
    const databaseUrl = database.urlFor(`lethe_${declaration.name}`);
    const limits = { lockTimeoutMs: 2_000, longestTransactionMs: 30_000 };
    engines.set(declaration.name, createEngine({ databaseUrl, declaration, limits, poolSize: 2 }));
  }
});
afterAll(async () => {
  await Promise.all([...engines.values()].map((engine) => engine.close()));
  await admin?.end();
  await database?.drop();
});

describe.each(declarations.map((declaration) => [declaration.name, declaration] as const))(
  '%s',
  (name, declaration) => {
    it('gives a tenant away and back, every row as it was, and then for good', async () => {
      const [tenant, other] = tenants;
      if (!tenant || !other) throw new Error('Two tenants were seeded.');
      const engine = engineOf(name);
      const before = await checksums(admin, declaration);
      const otherRows = (await engine.preview(other.tenantId)).totalRows;
      const { totalRows, findings } = await engine.preview(tenant.tenantId);
      expect(findings.filter(({ severity }) => severity === 'refusal')).toEqual([]);
      expect(totalRows).toBeGreaterThan(0);

      const job = newJob(tenant.tenantId);
      expect((await reach(engine, job, 'staged')).rowsDone).toBe(totalRows);
      expect((await engine.preview(tenant.tenantId)).totalRows).toBe(0);
      await reach(engine, job, 'restored');
      expect(await checksums(admin, declaration)).toEqual(before);

      const last = newJob(tenant.tenantId);
      await reach(engine, last, 'staged');
      expect((await reach(engine, last, 'purged')).rowsDone).toBe(totalRows);
      // Autovacuum comes after the seed, and its transactions are waited for like anybody's.
      const verified = await until(async () => {
        const answer = await engine.verify(tenant.tenantId, last.jobId);
        return answer.horizonPassed && answer;
      });
      expect(verified).toMatchObject({ clean: true, horizonPassed: true });
      expect((await engine.preview(other.tenantId)).totalRows).toBe(otherRows);
      const { rows } = await admin.query(
        `SELECT not_done FROM ${declaration.letheSchema}.deletion_ledger WHERE job_id = $1`,
        [last.jobId],
      );
      expect(rows).toEqual([{ not_done: [] }]);
    });
  },
);
