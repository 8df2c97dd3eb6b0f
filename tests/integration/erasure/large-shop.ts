/** A schema in which few rows fill many blocks, so that a tenant goes in many chunks; with all that ties rows together. */
import type { Declaration } from '../../../erasure/declaration.js';

export const TENANT = '2a000000-0000-4000-8000-000000000001';
export const NEIGHBOUR = '2b000000-0000-4000-8000-000000000002';

export const largeShop: Declaration = {
  name: 'large',
  schemas: ['large'],
  letheSchema: 'lethe_large',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'none',
  tables: {
    'large.accounts': { action: 'delete' },
    'large.orders': { action: 'delete' },
    'large.lines': { action: 'delete' },
    'large.categories': { action: 'delete' },
    'large.projects': { action: 'delete' },
    'large.tasks': { action: 'delete' },
    'large.logs': { action: 'delete' },
    'large.visits': { action: 'delete' },
  },
};

export const LARGE_SQL = `
CREATE SCHEMA large;
CREATE TABLE large.accounts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid NOT NULL, n int, pad text);
CREATE TABLE large.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id uuid NOT NULL REFERENCES large.accounts, pad text);
CREATE TABLE large.lines (order_id bigint NOT NULL REFERENCES large.orders ON DELETE CASCADE, line int, pad text, PRIMARY KEY (order_id, line));
CREATE TABLE large.categories (id int PRIMARY KEY, tenant_id uuid NOT NULL, parent_id int REFERENCES large.categories, pad text);
CREATE TABLE large.projects (id int PRIMARY KEY, tenant_id uuid NOT NULL, first_task int, pad text);
CREATE TABLE large.tasks (id int PRIMARY KEY, project_id int NOT NULL REFERENCES large.projects, pad text);
ALTER TABLE large.projects ADD FOREIGN KEY (first_task) REFERENCES large.tasks DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE large.logs (tenant_id uuid NOT NULL, said text);
CREATE TABLE large.visits (id int NOT NULL, tenant_id uuid NOT NULL, at date NOT NULL, pad text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE large.visits_1 PARTITION OF large.visits FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE large.visits_2 PARTITION OF large.visits FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE large.staff (id int PRIMARY KEY, favourite uuid REFERENCES large.accounts ON DELETE SET NULL, pad text);
CREATE INDEX ON large.accounts (tenant_id); CREATE INDEX ON large.orders (account_id);
CREATE INDEX ON large.categories (tenant_id); CREATE INDEX ON large.categories (parent_id);
CREATE INDEX ON large.tasks (project_id); CREATE INDEX ON large.projects (first_task);
`;

/** Rows of `n` accounts, and of all other tables about as many; ids from `from` on. */
export function largeRows(tenantId: string, from: number, n = 60): string {
  const pad = `repeat('x', 1800)`;
  return `
INSERT INTO large.accounts (tenant_id, n, pad) SELECT '${tenantId}', ${from} + g, ${pad} FROM generate_series(1, ${n}) g;
INSERT INTO large.orders (account_id, pad) SELECT id, ${pad} FROM large.accounts WHERE tenant_id = '${tenantId}';
INSERT INTO large.lines SELECT o.id, l, ${pad} FROM large.orders o JOIN large.accounts a ON a.id = o.account_id, generate_series(1, 2) l
 WHERE a.tenant_id = '${tenantId}';
-- A tree whose branches cross all blocks, some of them upwards.
INSERT INTO large.categories SELECT ${from} + g, '${tenantId}', CASE WHEN g > 3 THEN ${from} + 1 + g * 7 % LEAST(g - 1, ${n}) END, ${pad} FROM generate_series(1, ${n}) g;
INSERT INTO large.categories VALUES (${from}, '${tenantId}', ${from} + ${n}, ${pad});
INSERT INTO large.projects SELECT ${from} + g, '${tenantId}', NULL, ${pad} FROM generate_series(1, ${n}) g;
INSERT INTO large.tasks SELECT ${from} + g, ${from} + 1 + g % ${n}, ${pad} FROM generate_series(1, ${n}) g;
UPDATE large.projects SET first_task = id WHERE tenant_id = '${tenantId}' AND id % 5 = 0;
INSERT INTO large.logs SELECT '${tenantId}', repeat('y', 1800) FROM generate_series(1, ${n});
INSERT INTO large.visits SELECT ${from} + g, '${tenantId}', date '2026-01-05' + g % 50, ${pad} FROM generate_series(1, ${n}) g;
INSERT INTO large.staff SELECT ${from} + row_number() OVER (), id, ${pad} FROM large.accounts WHERE tenant_id = '${tenantId}' AND n % 2 = 0;`;
}

/** Rows of the tenant that go. */
export function largeTotal(n = 60): number {
  return n + n + 2 * n + (n + 1) + n + n + n + n;
}

/** Rows that refer to one which is not there: what stands after FROM. */
export const ORPHANS = `(
  SELECT 1 FROM large.orders o WHERE NOT EXISTS (SELECT FROM large.accounts a WHERE a.id = o.account_id)
  UNION ALL SELECT 1 FROM large.lines l WHERE NOT EXISTS (SELECT FROM large.orders o WHERE o.id = l.order_id)
  UNION ALL SELECT 1 FROM large.categories c WHERE parent_id IS NOT NULL AND NOT EXISTS (SELECT FROM large.categories p WHERE p.id = c.parent_id)
  UNION ALL SELECT 1 FROM large.tasks t WHERE NOT EXISTS (SELECT FROM large.projects p WHERE p.id = t.project_id)
  UNION ALL SELECT 1 FROM large.projects p WHERE first_task IS NOT NULL AND NOT EXISTS (SELECT FROM large.tasks t WHERE t.id = p.first_task)
  UNION ALL SELECT 1 FROM large.staff s WHERE favourite IS NOT NULL AND NOT EXISTS (SELECT FROM large.accounts a WHERE a.id = s.favourite)
) AS orphans`;
