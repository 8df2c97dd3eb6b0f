import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OrphanPolicy } from '../../../protocol/participant.js';
import { tenantParticipant } from '../../../services/tenant/participant.js';
import { until } from '../../support/conditions.js';
import { serveParticipant, type TestService } from '../../support/service-server.js';
import { openTenantFixture, type TenantFixture } from './tenant-fixture.js';

let fixture: TenantFixture;
const services: Partial<Record<OrphanPolicy, TestService>> = {};
beforeAll(async () => {
  fixture = await openTenantFixture();
  for (const orphanUsers of ['report', 'delete', 'keep'] as const) {
    services[orphanUsers] = await serveParticipant(
      tenantParticipant({
        name: 'tenant',
        databaseUrl: fixture.urlFor('lethe_tenant'),
        poolSize: 4,
        lockTimeoutMs: 5_000,
        longestTransactionMs: 30_000,
        onConnectionError: () => undefined,
        orphanUsers,
      }),
    );
  }
});
afterAll(async () => {
  await Promise.all(Object.values(services).map((service) => service.close()));
  await fixture.close();
});

function clientOf(policy: OrphanPolicy): TestService['client'] {
  const service = services[policy];
  if (service === undefined) throw new Error(`Nobody serves ${policy}.`);
  return service.client;
}
const previewOf = (policy: OrphanPolicy, tenant: string) =>
  clientOf(policy).call('preview', { params: { tenant_id: tenant } });
const purge = (policy: OrphanPolicy, tenant: string, job: string) =>
  clientOf(policy).call('advance', {
    params: { tenant_id: tenant, job_id: job },
    body: { target: 'purged' },
  });
const verify = (policy: OrphanPolicy, tenant: string, job: string) =>
  clientOf(policy).call('verification', { params: { tenant_id: tenant }, query: { job_id: job } });

async function usersLeft(...ids: string[]): Promise<string[]> {
  const { rows } = await fixture.pool.query<{ id: string }>(
    'SELECT id::text FROM tenant.users WHERE id = ANY ($1) ORDER BY id',
    [ids],
  );
  return rows.map(({ id }) => id);
}

async function somebodyWaits(): Promise<boolean> {
  const { rows } = await fixture.pool.query(
    `SELECT FROM pg_stat_activity
     WHERE datname = current_database() AND usename = 'lethe_tenant' AND wait_event_type = 'Lock'`,
  );
  return rows.length > 0;
}

/** A tenant with two people who are only there, and one who is in another tenant, too. */
async function bakery() {
  const [owner, member, guest] = await Promise.all([fixture.user(), fixture.user(), fixture.user()]);
  const other = await fixture.tenant({ [guest]: 'owner' });
  const tenant = await fixture.tenant({ [owner]: 'owner', [member]: 'member', [guest]: 'admin' });
  return { tenant, other, owner, member, guest, only: [owner, member].sort() };
}

describe('users whose only tenant goes', () => {
  it.each(['report', 'keep'] as const)(
    'are told by number alone and stay, by the policy %s',
    async (policy) => {
      const { tenant, guest, only } = await bakery();
      const others = await fixture.checksumOfOthers(tenant);
      const preview = await previewOf(policy, tenant);
      expect(preview.total_rows).toBe(4);
      expect(preview.findings).toMatchObject([
        {
          code: 'orphan_users',
          severity: 'info',
          message: expect.stringMatching(/^2 members are users of no/),
        },
      ]);

      const job = randomUUID();
      const first = await purge(policy, tenant, job);
      expect(first.orphan_users).toEqual({ policy, found: 2, deleted: 0 });
      expect(await purge(policy, tenant, job)).toEqual(first);
      // Users are among what must not have changed.
      expect(await fixture.checksumOfOthers(tenant)).toBe(others);
      expect(await usersLeft(...only, guest)).toHaveLength(3);
      const { rows } = await fixture.pool.query<{ line: string }>(
        'SELECT l::text AS line FROM lethe_tenant.deletion_ledger l WHERE job_id = $1',
        [job],
      );
      for (const id of only) expect(rows[0]?.line).not.toContain(id);
    },
  );

  it('cannot be deleted without a right that no migration gives, and the preview says so', async () => {
    const { tenant, only } = await bakery();
    const { findings } = await previewOf('delete', tenant);
    const missing = findings.filter(({ code }) => code === 'privilege_missing');
    expect(missing.map(({ table, privilege, severity }) => [table, privilege, severity]).sort()).toEqual([
      ['tenant.users', 'DELETE', 'refusal'],
      ['tenant.users', 'UPDATE', 'refusal'],
    ]);
    await expect(purge('delete', tenant, randomUUID())).rejects.toMatchObject({ code: 'privilege_missing' });
    expect(await usersLeft(...only)).toEqual(only);
    expect(Object.keys(await fixture.rolesIn(tenant))).toHaveLength(3);
    expect((await previewOf('report', tenant)).findings).toMatchObject([{ code: 'orphan_users' }]);
  });

  describe('by the policy delete', () => {
    beforeAll(async () => {
      await fixture.pool.query('GRANT UPDATE, DELETE ON tenant.users TO lethe_tenant');
    });

    it('go with the tenant in one transaction, stand in the plan, and are told the same again', async () => {
      const { tenant, other, guest, only } = await bakery();
      const preview = await previewOf('delete', tenant);
      expect(preview).toMatchObject({ total_rows: 6, findings: [{ code: 'orphan_users' }] });
      expect(preview.tables.find(({ table }) => table === 'tenant.users')).toMatchObject({
        action: 'delete',
        rows: 2,
      });
      expect(preview.plan_hash).not.toBe((await previewOf('report', tenant)).plan_hash);

      const job = randomUUID();
      const first = await purge('delete', tenant, job);
      expect(first).toMatchObject({
        plan_hash: preview.plan_hash,
        rows_done: 6,
        orphan_users: { policy: 'delete', found: 2, deleted: 2 },
      });
      expect(await purge('delete', tenant, job)).toEqual(first);
      expect(await usersLeft(...only, guest)).toEqual([guest]);
      expect(await fixture.rolesIn(other)).toEqual({ [guest]: 'owner' });
      const verified = await until(async () => {
        const found = await verify('delete', tenant, job);
        return found.horizon_passed && found;
      });
      expect(verified).toMatchObject({ clean: true, rows_left: 0 });
    });

    it('stay where the job was shown, and suspended the tenant, under another policy', async () => {
      const ways = [
        ['report', 'delete', { policy: 'report', found: 2, deleted: 0 }],
        ['delete', 'keep', { policy: 'keep', found: 2, deleted: 0 }],
        ['delete', 'delete', { policy: 'delete', found: 2, deleted: 2 }],
      ] as const;
      for (const [shown, later, expected] of ways) {
        const { tenant, only } = await bakery();
        const job = randomUUID();
        await clientOf(shown).call('suspend', {
          params: { tenant_id: tenant },
          body: { job_id: job, suspended: true },
        });
        const purged = await purge(later, tenant, job);
        expect(purged.orphan_users).toEqual(expected);
        expect(purged.plan_hash).toBe((await previewOf(expected.policy, randomUUID())).plan_hash);
        expect(await usersLeft(...only)).toHaveLength(expected.deleted > 0 ? 0 : 2);
      }
    });

    it('stay when somebody makes them members of another tenant before the purge has their rows', async () => {
      const { tenant, other, owner, member, only } = await bakery();
      const joining = new pg.Client(fixture.pool.options);
      await joining.connect();
      try {
        await joining.query('BEGIN');
        await joining.query(
          `INSERT INTO tenant.tenant_members (tenant_id, user_id, role) VALUES ($1, $2, 'member')`,
          [other, member],
        );
        const purging = purge('delete', tenant, randomUUID());
        await until(somebodyWaits);
        expect(await usersLeft(...only)).toEqual(only);
        await joining.query('COMMIT');
        expect((await purging).orphan_users).toEqual({ policy: 'delete', found: 1, deleted: 1 });
      } finally {
        await joining.end();
      }
      expect(await usersLeft(owner, member)).toEqual([member]);
      expect(await fixture.rolesIn(other)).toMatchObject({ [member]: 'member' });
    });

    it('are found by one of two purges of both their tenants at once, whichever comes second', async () => {
      const shared = await fixture.user();
      for (let round = 0; round < 5; round += 1) {
        const user = round === 0 ? shared : await fixture.user();
        const tenants = await Promise.all([
          fixture.tenant({ [user]: 'owner' }),
          fixture.tenant({ [user]: 'owner' }),
        ]);
        const purged = await Promise.all(tenants.map((tenant) => purge('delete', tenant, randomUUID())));
        const deleted = purged.map(({ orphan_users: orphans }) => orphans?.deleted ?? 0);
        expect(deleted.sort()).toEqual([0, 1]);
        expect(await usersLeft(user)).toEqual([]);
      }
    });

    it('and a race with joining never leaves a member without a user, nor a user deleted who has a tenant', async () => {
      const { other } = await bakery();
      for (let round = 0; round < 10; round += 1) {
        const user = await fixture.user();
        const tenant = await fixture.tenant({ [user]: 'owner' });
        const [purged, joined] = await Promise.all([
          purge('delete', tenant, randomUUID()),
          fixture.pool
            .query(`INSERT INTO tenant.tenant_members (tenant_id, user_id, role) VALUES ($1, $2, 'member')`, [
              other,
              user,
            ])
            .then(
              () => true,
              () => false,
            ),
        ]);
        expect(purged.orphan_users?.deleted).toBe(joined ? 0 : 1);
        expect(await usersLeft(user)).toEqual(joined ? [user] : []);
        expect(Object.hasOwn(await fixture.rolesIn(other), user)).toBe(joined);
      }
    });
  });
});
