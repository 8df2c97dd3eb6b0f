import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrationOwners } from '../../../prisma/migrate.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { compareWithDatabase } from '../../support/prisma-diff.js';

const owners = migrationOwners();
const schemaOf = (name: string): string => {
  const owner = owners.find((one) => one.name === name);
  return readFileSync(join(owner?.directory ?? name, 'schema.prisma'), 'utf8');
};

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());

describe('schema.prisma and the migrations beside it', () => {
  it.each(owners.map((owner) => owner.name))('of %s say the same', async (name) => {
    expect(await compareWithDatabase(database.url, schemaOf(name))).toBe('');
  });

  it('differ where one of them was changed alone', async () => {
    const schema = schemaOf('orders');
    const changed = schema
      .replace('  @@index([customer_id])\n  @@map("customer_addresses")', '  @@map("customer_addresses")')
      .replace(/ {2}special_wishes +String\?/, '  special_wishes String')
      .replace('round((quantity * unit_price), 2)', 'round((quantity * unit_price), 1)');
    const difference = await compareWithDatabase(database.url, changed);
    expect(difference).toContain('DROP INDEX "orders"."customer_addresses_customer_id_idx"');
    expect(difference).toContain('ALTER COLUMN "special_wishes" SET NOT NULL');
    expect(difference).toContain('ALTER COLUMN "line_total" SET DEFAULT');
  });
});
