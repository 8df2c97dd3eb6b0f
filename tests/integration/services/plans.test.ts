import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCatalog } from '../../../erasure/catalog/read.js';
import type { Declaration } from '../../../erasure/declaration.js';
import { makePlan } from '../../../erasure/plan/make-plan.js';
import type { Plan } from '../../../erasure/plan/types.js';
import { declarations } from '../../../services/registry.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

/** What has no tenant column, and why its rows are the tenant's all the same. */
const BY_REFERENCE: Record<string, Record<string, string>> = {
  orders: {
    customer_addresses: 'customer_id → orders.customers',
    invoice_lines: 'invoice_id → orders.invoices',
    order_feedback: 'order_id → orders.orders',
    order_item_options: 'order_id, line_number → orders.order_items',
    order_items: 'order_id → orders.orders',
    order_status_history: 'order_id → orders.orders',
  },
  inventory: {
    goods_receipts: 'purchase_order_id, line_number → inventory.purchase_order_lines',
    purchase_order_lines: 'product_id → inventory.products or purchase_order_id → inventory.purchase_orders',
  },
  recipes: {
    photo_annotations: 'recipe_id, step_number, position → recipes.recipe_step_photos',
    recipe_ingredients: 'ingredient_id → recipes.ingredients or recipe_id → recipes.recipes',
    recipe_step_photos: 'recipe_id, step_number → recipes.recipe_steps',
    recipe_steps: 'recipe_id → recipes.recipes',
    recipe_sub_recipes: 'recipe_id → recipes.recipes or sub_recipe_id → recipes.recipes',
    recipe_versions: 'recipe_id → recipes.recipes',
  },
  sales: {
    prediction_outcomes: 'prediction_id → sales.sales_predictions',
    sale_adjustments: 'record_id, sold_at → sales.sales_records',
  },
  production: {
    corrective_actions: 'defect_id → production.quality_defects',
    quality_checks: 'run_id → production.production_runs',
    quality_defects: 'check_id → production.quality_checks',
    run_ingredients: 'run_id → production.production_runs',
    run_steps: 'run_id → production.production_runs',
    step_measurements: 'run_id, step_number → production.run_steps',
  },
  suppliers: {
    price_list_items: 'price_list_id → suppliers.price_lists',
    supplier_contacts: 'supplier_id → suppliers.suppliers',
    supplier_delivery_items: 'order_id, line_number → suppliers.supplier_order_items',
    supplier_documents: 'contract_id → suppliers.supplier_contracts or order_id → suppliers.supplier_orders',
    supplier_order_items: 'order_id → suppliers.supplier_orders',
  },
  pos: {
    pos_refunds: 'transaction_id, sold_at, line_number → pos.pos_transaction_items',
    pos_transaction_items: 'transaction_id, sold_at → pos.pos_transactions',
    pos_webhook_deliveries: 'webhook_id → pos.pos_webhooks',
  },
  external: { event_attendance: 'event_id → external.local_events' },
  forecasting: {
    adjustment_votes: 'adjustment_id → forecasting.forecast_adjustments',
    forecast_adjustments: 'forecast_id → forecasting.forecasts',
    forecast_factors: 'forecast_id → forecasting.forecasts',
  },
  training: {
    artifact_chunk_copies: 'artifact_id, chunk_number → training.model_artifact_chunks',
    model_artifact_chunks: 'artifact_id → training.model_artifacts',
    model_artifacts: 'model_id → training.trained_models',
    model_datasets: 'dataset_id → training.training_datasets or model_id → training.trained_models',
  },
  alert_processor: {
    alert_comments: 'interaction_id → alert_processor.alert_interactions',
    alert_recipients: 'alert_id → alert_processor.alerts',
  },
  notification: {
    delivery_events: 'delivery_id → notification.notification_deliveries',
    notification_attachments: 'notification_id → notification.notifications',
    notification_deliveries: 'notification_id → notification.notifications',
  },
};

let database: TestDatabase;
const plans = new Map<string, Plan>();

beforeAll(async () => {
  database = await createTestDatabase();
  for (const declaration of declarations) plans.set(declaration.name, await planOf(declaration));
});
afterAll(() => database?.drop());

/** Made as the service itself makes it: with the rights of its own role. */
async function planOf(declaration: Declaration): Promise<Plan> {
  const client = new pg.Client({ connectionString: database.urlFor(`lethe_${declaration.name}`) });
  await client.connect();
  try {
    return makePlan(await readCatalog(client, declaration), declaration);
  } finally {
    await client.end();
  }
}

function planned(service: string): Plan {
  const plan = plans.get(service);
  if (plan === undefined) throw new Error(`There is no plan of ${service}.`);
  return plan;
}

const labelsOf = (plan: Plan, oids: readonly number[]) =>
  plan.ownedTables.filter(({ table }) => oids.includes(table.oid)).map(({ label }) => label);

describe('the plan of', () => {
  it.each(declarations)('$name finds nothing to mend and no table that nobody declared', (declaration) => {
    const plan = planned(declaration.name);
    expect(plan.findings.filter(({ severity }) => severity !== 'info')).toEqual([]);
    expect(plan.unacceptedTables).toEqual([]);
    const erased = Object.entries(declaration.tables).filter(([, { action }]) => action !== 'keep');
    expect(plan.tables.map(({ label }) => label).sort()).toEqual(erased.map(([label]) => label).sort());
  });

  it.each(Object.keys(BY_REFERENCE))('%s knows whose each row is', (name) => {
    const byReference = planned(name).tables.flatMap(({ label, ownedBy }) =>
      ownedBy === 'tenant_id' ? [] : [[label.slice(name.length + 1), ownedBy]],
    );
    expect(Object.fromEntries(byReference)).toEqual(BY_REFERENCE[name]);
  });
});

describe('the twelve plans together', () => {
  it('cover at least sixty tables', () => {
    const all = [...plans.values()].flatMap((plan) => plan.tables);
    expect(all.length).toBeGreaterThanOrEqual(60);
    expect([...plans.keys()]).toEqual(expect.arrayContaining(Object.keys(BY_REFERENCE)));
  });

  it('leave shared cities, their weather and their holidays to everybody', () => {
    const owned = planned('external').ownedTables.map(({ table }) => table.name);
    expect(owned).toContain('tenant_locations');
    expect(owned.filter((table) => /^(cities|city_)/.test(table))).toEqual([]);
  });

  it('see the cycle of an order and its latest status, and take both at once', () => {
    const plan = planned('orders');
    const cycle = plan.units.find(({ reason }) => reason === 'cycle');
    expect(labelsOf(plan, cycle?.tableOids ?? [])).toEqual(
      expect.arrayContaining(['orders.orders', 'orders.order_status_history']),
    );
  });

  it('hold the branches of the category tree to one tenant', () => {
    const categories = planned('inventory').ownedTables.find(
      ({ table }) => table.name === 'product_categories',
    );
    expect(categories?.agreeing.map((key) => key.name)).toEqual(['product_categories_parent_id_fkey']);
  });

  it('null what a row only points to, by the key or because the declaration says so', () => {
    const nulled = [...plans.values()].flatMap((plan) =>
      plan.references.map(({ key, nulledBy }) => `${key.name} by ${nulledBy}`),
    );
    expect(nulled).toEqual(
      expect.arrayContaining([
        'recipes_based_on_id_fkey by declaration',
        'orders_delivery_address_id_fkey by key',
        'products_category_id_fkey by key',
        'trained_models_base_model_id_fkey by key',
      ]),
    );
    // Where a row of another tenant points to a row that goes, something is wrong: that is a conflict.
    expect(nulled.filter((one) => one.endsWith('by declaration'))).toEqual([
      'recipes_based_on_id_fkey by declaration',
    ]);
  });
});
