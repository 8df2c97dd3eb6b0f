/** Tenants, users and members by plain SQL, and what is left of them. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { tenantParticipant } from '../../../services/tenant/participant.js';
import { createTestDatabase } from '../../support/postgres.js';
import { serveParticipant, type TestService } from '../../support/service-server.js';

export type Role = 'owner' | 'admin' | 'member';

export interface TenantFixture {
  readonly service: TestService;
  /** Superuser's. */
  readonly pool: pg.Pool;
  urlFor(role: string): string;
  user(): Promise<string>;
  /** A tenant with these members; gives its id. */
  tenant(members: Readonly<Record<string, Role>>): Promise<string>;
  rolesIn(tenantId: string): Promise<Record<string, Role>>;
  /** Of every tenant but these: what must not change. */
  checksumOfOthers(...tenantIds: string[]): Promise<string>;
  close(): Promise<void>;
}

export async function openTenantFixture(): Promise<TenantFixture> {
  const database = await createTestDatabase();
  const pool = new pg.Pool({ connectionString: database.url, max: 10 });
  const service = await serveParticipant(
    tenantParticipant({
      name: 'tenant',
      databaseUrl: database.urlFor('lethe_tenant'),
      poolSize: 8,
      lockTimeoutMs: 1_000,
      longestTransactionMs: 30_000,
      onConnectionError: () => undefined,
    }),
  );
  return {
    service,
    pool,
    urlFor: (role) => database.urlFor(role),
    async user() {
      const id = randomUUID();
      await pool.query('INSERT INTO tenant.users (id, email, name) VALUES ($1, $2, $3)', [
        id,
        `${id}@example.org`,
        'Somebody',
      ]);
      return id;
    },
    async tenant(members) {
      const id = randomUUID();
      await pool.query('INSERT INTO tenant.tenants (id, name, slug) VALUES ($1, $2, $3)', [
        id,
        'Bakery',
        `bakery-${id}`,
      ]);
      for (const [user, role] of Object.entries(members)) {
        await pool.query('INSERT INTO tenant.tenant_members (tenant_id, user_id, role) VALUES ($1, $2, $3)', [
          id,
          user,
          role,
        ]);
      }
      return id;
    },
    async rolesIn(tenantId) {
      const { rows } = await pool.query<{ user_id: string; role: Role }>(
        'SELECT user_id, role FROM tenant.tenant_members WHERE tenant_id = $1',
        [tenantId],
      );
      return Object.fromEntries(rows.map(({ user_id, role }) => [user_id, role]));
    },
    async checksumOfOthers(...tenantIds) {
      const { rows } = await pool.query<{ sum: string }>(
        `SELECT md5(coalesce(string_agg(line, ';' ORDER BY line), '')) AS sum FROM (
           SELECT t::text AS line FROM tenant.tenants t WHERE id <> ALL ($1::uuid[])
           UNION ALL SELECT m::text FROM tenant.tenant_members m WHERE tenant_id <> ALL ($1::uuid[])
           UNION ALL SELECT u::text FROM tenant.users u) lines`,
        [tenantIds],
      );
      return rows[0]?.sum ?? '';
    },
    async close() {
      await service.close();
      await pool.end();
      await database.drop();
    },
  };
}
