/** The one-shot before the first start and after each upgrade: roles, then every owner's migrations. */
import { ConfigurationError, type MigrateConfig, readMigrateConfig } from '../config.js';
import { migrate, migrationOwners } from './migrate.js';
import { createRoles } from './migrate-roles.js';

const say = (message: string): void => void process.stdout.write(`${message}\n`);

async function main(config: MigrateConfig): Promise<void> {
  const names = config.MIGRATE?.split(',');
  const owners = migrationOwners().filter(({ name }) => names === undefined || names.includes(name));
  const readers = new Set(owners.flatMap(({ reader }) => reader ?? []));
  await createRoles({
    databaseUrl: config.DATABASE_URL,
    roles: [...owners.map((owner) => owner.role), ...readers],
    passwordOf: (role) => {
      if (role === 'lethe_records') return config.RECORDS_PASSWORD;
      // Nobody reads what is retained before there is a password for it; the rights are there already.
      if (readers.has(role)) return config.RETAINED_PASSWORD ?? null;
      return config.SERVICES_PASSWORD ?? '';
    },
  });
  say(`${owners.length + readers.size} roles are there`);
  await migrate({
    databaseUrl: config.DATABASE_URL,
    ...(names && { owners: names }),
    onProgress: ({ owner, applied }) =>
      say(applied.length === 0 ? `${owner}: current` : `${owner}: applied ${applied.join(', ')}`),
  });
}

try {
  await main(readMigrateConfig());
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof ConfigurationError ? 2 : 1;
}
