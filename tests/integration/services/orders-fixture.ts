/** The orders service over its real engine, tenants with a few rows by plain SQL, and ledgers in any state. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { createEngine } from '../../../erasure/engine.js';
import { type Checksums, readChecksums } from '../../../local/checksums.js';
import type { DeletionTarget, LedgerState } from '../../../protocol/participant.js';
import { engineParticipant } from '../../../services/engine-participant.js';
import { orders } from '../../../services/orders/declaration.js';
import { until } from '../../support/conditions.js';
import { createTestDatabase } from '../../support/postgres.js';
import { type HttpAnswer, serveParticipant, type TestService } from '../../support/service-server.js';

export interface OrdersTenant {
  readonly id: string;
  readonly job: string;
}

export interface OrdersFixture {
  readonly service: TestService;
  readonly pool: pg.Pool;
  readonly databaseUrl: string;
  /** A tenant with `ROWS` in the database. */
  tenant(): Promise<OrdersTenant>;
  advance(tenant: OrdersTenant, target: DeletionTarget, planHash?: string): Promise<HttpAnswer>;
  stateOf(tenant: OrdersTenant): Promise<LedgerState>;
  /** A tenant whose ledger is in `state`; `goOn` takes away what holds it there. */
  in(state: LedgerState): Promise<OrdersTenant & { readonly goOn: () => Promise<void> }>;
  checksums(which: { only?: string; except?: string }): Promise<Checksums>;
  planHash(): Promise<string>;
  close(): Promise<void>;
}

/** Rows of each tenant, by table. */
export const ROWS: Readonly<Record<string, number>> = {
  'orders.customers': 2,
  'orders.customer_addresses': 1,
  'orders.recurring_orders': 1,
  'orders.orders': 2,
  'orders.order_status_history': 2,
  'orders.order_items': 2,
  'orders.order_item_options': 1,
  'orders.order_payments': 1,
  'orders.order_feedback': 0,
  'orders.invoices': 1,
  'orders.invoice_lines': 1,
};

/** `$1` the tenant. What refers back is closed last, as an application would. */
const INSERT = `
WITH customer AS (
  INSERT INTO orders.customers (id, tenant_id, customer_number, name, allergies)
  SELECT gen_random_uuid(), $1, 'C' || n, 'Customer ' || n, ARRAY['nuts', NULL] FROM generate_series(1, 2) n RETURNING id
), address AS (
  INSERT INTO orders.customer_addresses (id, customer_id, label, street, "postalCode", city, country_code)
  SELECT gen_random_uuid(), id, 'home', 'Main street', '28001', 'Madrid', 'ES' FROM customer LIMIT 1 RETURNING id
), recurring AS (
  INSERT INTO orders.recurring_orders (id, tenant_id, customer_id, weekdays, pickup_at, active_during, items)
  SELECT gen_random_uuid(), $1, id, '{1,3}', '07:30', '[2026-01-01,2027-01-01)', '[{"bread": 2}]' FROM customer LIMIT 1
  RETURNING id
), placed AS (
  INSERT INTO orders.orders (id, tenant_id, customer_id, delivery_address_id, recurring_order_id, order_number, channel,
    placed_at, placed_from, due_on, net_amount, tax_amount)
  SELECT gen_random_uuid(), $1, customer.id, (SELECT id FROM address), (SELECT id FROM recurring),
    row_number() OVER ()::text, 'web', now(), '10.0.0.1', current_date, 10, 1 FROM customer RETURNING id, customer_id
), history AS (
  INSERT INTO orders.order_status_history (order_id, status, changed_at) SELECT id, 'placed', now() FROM placed
), item AS (
  INSERT INTO orders.order_items (order_id, line_number, product_id, product_name, quantity, unit_price, tax_rate)
  SELECT id, 1, gen_random_uuid(), 'Bread', 2, 5, 0.1 FROM placed
), invoice AS (
  INSERT INTO orders.invoices (id, tenant_id, order_id, customer_id, invoice_number, issued_on, recipient, net_amount, tax_amount)
  SELECT gen_random_uuid(), $1, id, customer_id, 'R-1', '2025-03-04', '{"name": "Customer"}', 10, 1 FROM placed LIMIT 1 RETURNING id
), line AS (
  INSERT INTO orders.invoice_lines (invoice_id, line_number, supplied_on, description, quantity, unit_price, tax_rate)
  SELECT id, 1, '2025-03-03', 'Bread', 2, 5, 0.1 FROM invoice
), option AS (
  INSERT INTO orders.order_item_options (order_id, line_number, "optionCode", value)
  SELECT id, 1, 'cut', 'thin' FROM placed LIMIT 1
)
INSERT INTO orders.order_payments (id, tenant_id, order_id, method, amount, provider_response, paid_at)
SELECT gen_random_uuid(), $1, id, 'card', 11, '{"ok": true}', now() FROM placed LIMIT 1`;

const CLOSE = `UPDATE orders.orders o SET latest_status_id = h.id FROM orders.order_status_history h
  WHERE h.order_id = o.id AND o.tenant_id = $1`;

// Short, so that a wait is told at once.
const BUDGET_MS = 300;

export async function openOrdersFixture(): Promise<OrdersFixture> {
  const database = await createTestDatabase();
  const pool = new pg.Pool({ connectionString: database.url, max: 6 });
  const engine = createEngine({
    databaseUrl: database.urlFor('lethe_orders'),
    declaration: orders,
    limits: { lockTimeoutMs: 2_000, longestTransactionMs: 30_000 },
    poolSize: 6,
  });
  const service = await serveParticipant(engineParticipant({ name: 'orders', fence: orders.fence, engine }));
  let hash: string | undefined;

  const planHash = async () => {
    hash ??= (await service.client.call('manifest', { params: {} })).plan_hash;
    return hash;
  };
  const tenant = async () => {
    const made = { id: randomUUID(), job: randomUUID() };
    await pool.query(INSERT, [made.id]);
    await pool.query(CLOSE, [made.id]);
    return made;
  };
  const advance: OrdersFixture['advance'] = async ({ id, job }, target, given) =>
    service.ask('PUT', `/tenant/${id}/deletions/${job}`, {
      token: { action: target, tenantId: id, jobId: job },
      body: {
        target,
        time_budget_ms: BUDGET_MS,
        ...(target === 'staged' && { plan_hash: given ?? (await planHash()) }),
      },
    });
  const stateOf: OrdersFixture['stateOf'] = async ({ id, job }) =>
    (await service.client.call('status', { params: { tenant_id: id, job_id: job } })).state;
  const reach = (one: OrdersTenant, target: DeletionTarget) =>
    until(async () => (await advance(one, target)).status === 200, { what: target });

  /** Somebody's transaction from before the fence: nothing gets past the wait while it is open. */
  const olderTransaction = async () => {
    const client = new pg.Client(database.url);
    client.on('error', () => undefined);
    await client.connect();
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await client.query('SELECT 1');
    return () => client.end();
  };
  /** Another tenant takes a key that the rows want back. */
  const takenKey = async (one: OrdersTenant) => {
    const { rows } = await pool.query<{ id: string }>(
      'SELECT id FROM orders.customers WHERE tenant_id = $1 LIMIT 1',
      [one.id],
    );
    const key = rows[0]?.id;
    return {
      take: () =>
        pool.query(
          `INSERT INTO orders.customers (id, tenant_id, customer_number, name) VALUES ($1, $2, 'X', 'Taken')`,
          [key, randomUUID()],
        ),
      giveBack: async () => {
        await pool.query(`DELETE FROM orders.customers WHERE id = $1 AND customer_number = 'X'`, [key]);
      },
    };
  };

  const states: Record<LedgerState, (one: OrdersTenant) => Promise<() => Promise<void>>> = {
    absent: async () => nothing,
    staging: async (one) => {
      const end = await olderTransaction();
      await advance(one, 'staged');
      return end;
    },
    staged: async (one) => {
      await reach(one, 'staged');
      return nothing;
    },
    restoring: async (one) => {
      const key = await takenKey(one);
      await reach(one, 'staged');
      await key.take();
      await advance(one, 'restored');
      return key.giveBack;
    },
    restored: async (one) => {
      await reach(one, 'staged');
      await reach(one, 'restored');
      return nothing;
    },
    purging: async (one) => {
      const end = await olderTransaction();
      await advance(one, 'purged');
      return end;
    },
    purged: async (one) => {
      await reach(one, 'purged');
      return nothing;
    },
  };

  return {
    service,
    pool,
    databaseUrl: database.url,
    tenant,
    advance,
    stateOf,
    planHash,
    async in(state) {
      const one = await tenant();
      return { ...one, goOn: await states[state](one) };
    },
    checksums: (which) => readChecksums({ databaseUrl: database.url, schemas: ['orders'], ...which }),
    async close() {
      await service.close();
      await pool.end();
      await database.drop();
    },
  };
}

async function nothing(): Promise<void> {}
