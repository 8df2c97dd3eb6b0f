/** A small schema for tests that step through what happens at the same time. */
import type { Declaration } from '../../../erasure/declaration.js';

export const TENANT = '1a000000-0000-4000-8000-000000000001';
export const NEIGHBOUR = '1b000000-0000-4000-8000-000000000002';

export const smallShop: Declaration = {
  name: 'small',
  schemas: ['small'],
  letheSchema: 'lethe_small',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {
    'small.accounts': { action: 'delete' },
    'small.invoices': { action: 'delete' },
    'small.lines': { action: 'delete' },
    'small.notes': { action: 'delete' },
    'small.visits': { action: 'delete' },
  },
};

export const SMALL_SQL = `
CREATE SCHEMA small;
CREATE TABLE small.accounts (id int PRIMARY KEY, tenant_id uuid NOT NULL, name text UNIQUE);
CREATE TABLE small.invoices (id int PRIMARY KEY, account_id int NOT NULL REFERENCES small.accounts, total int NOT NULL);
CREATE TABLE small.lines (invoice_id int NOT NULL REFERENCES small.invoices ON DELETE CASCADE, line int NOT NULL, what text,
  PRIMARY KEY (invoice_id, line));
CREATE TABLE small.topics (id int PRIMARY KEY);
CREATE TABLE small.notes (id int PRIMARY KEY, tenant_id uuid NOT NULL, body text, topic int REFERENCES small.topics);
CREATE TABLE small.visits (id int NOT NULL, tenant_id uuid NOT NULL, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE small.visits_1 PARTITION OF small.visits FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE small.visits_2 PARTITION OF small.visits FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE small.staff (id int PRIMARY KEY, favourite int REFERENCES small.accounts ON DELETE SET NULL);
INSERT INTO small.topics VALUES (7), (8);
CREATE INDEX ON small.accounts (tenant_id); CREATE INDEX ON small.invoices (account_id);
CREATE INDEX ON small.notes (tenant_id); CREATE INDEX ON small.visits (tenant_id); CREATE INDEX ON small.staff (favourite);
`;

/** Six accounts, with what belongs to them; ids from `from` on. */
export function smallRows(tenantId: string, from: number): string {
  return `
INSERT INTO small.accounts SELECT ${from} + n, '${tenantId}', 'a' || ${from} + n FROM generate_series(1, 6) n;
INSERT INTO small.invoices SELECT ${from} + n, ${from} + 1 + n % 6, n FROM generate_series(1, 12) n;
INSERT INTO small.lines SELECT ${from} + n, l, 'bread' FROM generate_series(1, 12) n, generate_series(1, 2) l;
INSERT INTO small.notes SELECT ${from} + n, '${tenantId}', 'note', 7 FROM generate_series(1, 5) n;
INSERT INTO small.visits SELECT ${from} + n, '${tenantId}', date '2026-01-20' + n FROM generate_series(1, 20) n;
INSERT INTO small.staff VALUES (${from} + 1, ${from} + 1), (${from} + 2, NULL)
  ON CONFLICT (id) DO UPDATE SET favourite = EXCLUDED.favourite;`;
}

export const SMALL_TOTAL = 6 + 12 + 24 + 5 + 20;
