import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTenantFixture, type Role, type TenantFixture } from './tenant-fixture.js';

let fixture: TenantFixture;
beforeAll(async () => {
  fixture = await openTenantFixture();
});
afterAll(() => fixture.close());

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error: { code?: string }) => error.code ?? String(error),
  );
const transfer = (tenant: string, user: string) =>
  fixture.service.client.call('transferOwnership', {
    params: { tenant_id: tenant },
    body: { new_owner_user_id: user },
  });
const remove = (user: string, to?: string) =>
  fixture.service.client.call('removeMemberships', {
    params: { user_id: user },
    query: { ...(to !== undefined && { transfer_ownership_to: to }) },
  });
const suspend = (tenant: string, job: string, suspended: boolean) =>
  fixture.service.client.call('suspend', {
    params: { tenant_id: tenant },
    body: { job_id: job, suspended },
  });
const ownersOf = (roles: Record<string, Role>) =>
  Object.keys(roles).filter((user) => roles[user] === 'owner');

describe('ownership', () => {
  it('goes to another member; who had it stays as an admin', async () => {
    const [owner, member, admin] = await Promise.all([fixture.user(), fixture.user(), fixture.user()]);
    const tenant = await fixture.tenant({ [owner]: 'owner', [member]: 'member', [admin]: 'admin' });
    const others = await fixture.checksumOfOthers(tenant);
    const answer = await transfer(tenant, member);
    expect(answer.admins.map(({ user_id, role }) => [user_id, role])).toEqual([
      [member, 'owner'],
      ...[owner, admin].map((user) => [user, 'admin']),
    ]);
    expect(await fixture.rolesIn(tenant)).toEqual({ [owner]: 'admin', [member]: 'owner', [admin]: 'admin' });
    expect(await transfer(tenant, member)).toEqual(answer);
    expect(await fixture.checksumOfOthers(tenant)).toBe(others);
  });

  it('goes to no stranger, and to nobody who does not exist', async () => {
    const [owner, stranger] = await Promise.all([fixture.user(), fixture.user()]);
    const tenant = await fixture.tenant({ [owner]: 'owner' });
    expect(await codeOf(transfer(tenant, stranger))).toBe('not_a_member');
    expect(await codeOf(transfer(tenant, randomUUID()))).toBe('user_unknown');
    expect(await codeOf(transfer(randomUUID(), owner))).toBe('tenant_unknown');
    expect(await codeOf(transfer('bakery', owner))).toBe('validation_failed');
    expect(await fixture.rolesIn(tenant)).toEqual({ [owner]: 'owner' });
  });

  it('stays with one when many take it at once', async () => {
    const users = await Promise.all(Array.from({ length: 6 }, () => fixture.user()));
    const tenant = await fixture.tenant(
      Object.fromEntries(users.map((user, index) => [user, index === 0 ? 'owner' : 'member'])),
    );
    for (let round = 0; round < 5; round += 1) {
      const codes = await Promise.all(users.map((user) => codeOf(transfer(tenant, user))));
      expect(codes).toEqual(users.map(() => 'done'));
      const roles = await fixture.rolesIn(tenant);
      expect(ownersOf(roles)).toHaveLength(1);
      expect(Object.keys(roles)).toHaveLength(6);
    }
  });
});

describe('a user who leaves', () => {
  it('leaves every tenant, and those alone', async () => {
    const [owner, leaving] = await Promise.all([fixture.user(), fixture.user()]);
    const one = await fixture.tenant({ [owner]: 'owner', [leaving]: 'admin' });
    const two = await fixture.tenant({ [owner]: 'owner', [leaving]: 'member' });
    const others = await fixture.checksumOfOthers(one, two);
    const answer = await remove(leaving);
    expect(answer.transferred).toEqual([]);
    expect(Object.fromEntries(answer.removed.map(({ tenant_id, role }) => [tenant_id, role]))).toEqual({
      [one]: 'admin',
      [two]: 'member',
    });
    expect(await fixture.rolesIn(one)).toEqual({ [owner]: 'owner' });
    expect(await fixture.rolesIn(two)).toEqual({ [owner]: 'owner' });
    expect((await remove(leaving)).removed).toEqual([]);
    expect(await fixture.checksumOfOthers(one, two)).toBe(others);
  });

  it('is refused where nobody would own a tenant any more, and keeps everything', async () => {
    const [leaving, heir, stranger] = await Promise.all([fixture.user(), fixture.user(), fixture.user()]);
    const owned = await fixture.tenant({ [leaving]: 'owner', [heir]: 'member' });
    const alone = await fixture.tenant({ [leaving]: 'owner' });
    const visited = await fixture.tenant({ [stranger]: 'owner', [leaving]: 'member' });
    const before = await fixture.checksumOfOthers();
    await expect(remove(leaving)).rejects.toMatchObject({
      code: 'sole_owner',
      extras: { tenant_ids: [owned, alone].sort() },
    });
    await expect(remove(leaving, heir)).rejects.toMatchObject({
      code: 'not_a_member',
      extras: { tenant_ids: [alone] },
    });
    expect(await codeOf(remove(leaving, leaving))).toBe('validation_failed');
    expect(await codeOf(remove(leaving, randomUUID()))).toBe('user_unknown');
    expect(await codeOf(remove(randomUUID()))).toBe('user_unknown');
    expect(await fixture.checksumOfOthers()).toBe(before);
    expect(Object.keys(await fixture.rolesIn(visited))).toContain(leaving);
  });

  it('hands the owned tenants over in the same step', async () => {
    const [leaving, heir] = await Promise.all([fixture.user(), fixture.user()]);
    const one = await fixture.tenant({ [leaving]: 'owner', [heir]: 'member' });
    const two = await fixture.tenant({ [heir]: 'owner', [leaving]: 'admin' });
    const answer = await remove(leaving, heir);
    expect(answer.transferred).toEqual([{ tenant_id: one, new_owner_user_id: heir }]);
    expect(await fixture.rolesIn(one)).toEqual({ [heir]: 'owner' });
    expect(await fixture.rolesIn(two)).toEqual({ [heir]: 'owner' });
  });

  it('leaves one owner everywhere when all leave to each other at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const users = await Promise.all(Array.from({ length: 4 }, () => fixture.user()));
      const tenants = await Promise.all(
        users.map((owner) =>
          fixture.tenant(
            Object.fromEntries(users.map((user) => [user, user === owner ? 'owner' : 'member'])),
          ),
        ),
      );
      const codes = await Promise.all(
        users.flatMap((user, index) => [
          codeOf(remove(user, users[(index + 1) % users.length])),
          codeOf(transfer(tenants[index] ?? '', users[(index + 2) % users.length] ?? '')),
        ]),
      );
      expect(codes.filter((code) => !['done', 'not_a_member', 'sole_owner'].includes(code))).toEqual([]);
      for (const tenant of tenants) expect(ownersOf(await fixture.rolesIn(tenant))).toHaveLength(1);
    }
  });
});

describe('a suspension', () => {
  it('shows in the status, belongs to its job, and is not set again by a job that lifted it', async () => {
    const owner = await fixture.user();
    const tenant = await fixture.tenant({ [owner]: 'owner' });
    const [first, second, never] = [randomUUID(), randomUUID(), randomUUID()];
    const status = async () =>
      (await fixture.service.client.call('tenant', { params: { tenant_id: tenant } }, {})).status;
    expect(await status()).toBe('active');
    await suspend(tenant, first, true);
    await suspend(tenant, first, true);
    await suspend(tenant, second, true);
    await suspend(tenant, first, false);
    expect(await status()).toBe('suspended');
    await suspend(tenant, second, false);
    expect(await status()).toBe('active');
    expect(await codeOf(suspend(tenant, first, true))).toBe('state_conflict');
    await suspend(tenant, never, false);
    expect(await codeOf(suspend(tenant, never, true))).toBe('state_conflict');
    expect(await status()).toBe('active');
    expect(await codeOf(suspend(randomUUID(), first, true))).toBe('tenant_unknown');
  });

  it('keeps owner and members as they are', async () => {
    const [owner, member] = await Promise.all([fixture.user(), fixture.user()]);
    const tenant = await fixture.tenant({ [owner]: 'owner', [member]: 'member' });
    const elsewhere = await fixture.tenant({ [owner]: 'owner', [member]: 'member' });
    const job = randomUUID();
    await suspend(tenant, job, true);
    const before = await fixture.checksumOfOthers();
    const refused = { code: 'deletion_open', extras: { job_id: job, tenant_ids: [tenant] } };
    await expect(transfer(tenant, member)).rejects.toMatchObject(refused);
    await expect(remove(member)).rejects.toMatchObject(refused);
    await expect(remove(owner, member)).rejects.toMatchObject(refused);
    expect(await fixture.checksumOfOthers()).toBe(before);
    await suspend(tenant, job, false);
    await remove(owner, member);
    expect(await fixture.rolesIn(tenant)).toEqual({ [member]: 'owner' });
    expect(await fixture.rolesIn(elsewhere)).toEqual({ [member]: 'owner' });
  });

  it('and ownership, raced: the owner of a suspended tenant is the one at its suspension', async () => {
    for (let round = 0; round < 10; round += 1) {
      const [owner, member] = await Promise.all([fixture.user(), fixture.user()]);
      const tenant = await fixture.tenant({ [owner]: 'owner', [member]: 'member' });
      const [moved, atSuspension] = await Promise.all([
        codeOf(transfer(tenant, member)),
        suspend(tenant, randomUUID(), true).then(() => fixture.rolesIn(tenant)),
      ]);
      expect(['done', 'deletion_open']).toContain(moved);
      expect(await fixture.rolesIn(tenant)).toEqual(atSuspension);
    }
  });
});
