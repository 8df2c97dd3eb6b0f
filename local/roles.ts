/** Roles and their passwords on a laptop and in tests. */
import { createHmac } from 'node:crypto';
import { migrationOwners } from '../prisma/migrate.js';
import { createRoles } from '../prisma/migrate-roles.js';

/**
 * A role's password follows from the superuser's. Roles are the whole cluster's: so everything that uses one
 * cluster, a running platform and a test run beside it, agrees without writing passwords down.
 */
export function rolePassword(superuserUrl: string, role: string): string {
  return createHmac('sha256', `lethe ${new URL(superuserUrl).password}`)
    .update(role)
    .digest('base64url')
    .slice(0, 32);
}

/** The same database, reached as `role`. */
export function urlForRole(superuserUrl: string, role: string): string {
  const url = new URL(superuserUrl);
  url.username = encodeURIComponent(role);
  url.password = rolePassword(superuserUrl, role);
  return url.href;
}

/** Makes the role of every owner of migrations, or of these. Can be repeated. */
export async function createLocalRoles(superuserUrl: string, owners = migrationOwners()): Promise<void> {
  await createRoles({
    databaseUrl: superuserUrl,
    roles: owners.flatMap(({ role, reader }) => (reader === null ? [role] : [role, reader])),
    passwordOf: (role) => rolePassword(superuserUrl, role),
  });
}
