-- Beyond Prisma's schema language are identity columns instead of serial ones (a serial's default needs a
-- privilege on its sequence) and generated columns.

-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "orders";

-- CreateEnum
CREATE TYPE "orders"."customer_kind" AS ENUM ('private', 'business', 'wholesale');

-- CreateEnum
CREATE TYPE "orders"."order_channel" AS ENUM ('counter', 'phone', 'web', 'app', 'recurring');

-- CreateEnum
CREATE TYPE "orders"."order_status" AS ENUM ('placed', 'confirmed', 'in_production', 'ready', 'delivered', 'cancelled');

-- CreateEnum
CREATE TYPE "orders"."payment_method" AS ENUM ('cash', 'card', 'transfer', 'invoice');

-- CreateEnum
CREATE TYPE "orders"."invoice_status" AS ENUM ('issued', 'paid', 'reversed');

-- CreateTable
CREATE TABLE "orders"."customers" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "customer_number" TEXT NOT NULL,
    "kind" "orders"."customer_kind" NOT NULL DEFAULT 'private',
    "name" TEXT NOT NULL,
    "email" TEXT,
    "phone" TEXT,
    "tax_number" TEXT,
    "birthday" DATE,
    "allergies" TEXT[],
    "preferences" JSONB NOT NULL DEFAULT '{}',
    "marketing_consent" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "customers_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "orders"."customer_addresses" (
    "id" UUID NOT NULL,
    "customer_id" UUID NOT NULL,
    "label" TEXT NOT NULL,
    "street" TEXT NOT NULL,
    "postalCode" TEXT NOT NULL,
    "city" TEXT NOT NULL,
    "country_code" CHAR(2) NOT NULL,
    "latitude" DECIMAL(9,6),
    "longitude" DECIMAL(9,6),
    "is_default" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "customer_addresses_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "orders"."recurring_orders" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "customer_id" UUID NOT NULL,
    "weekdays" SMALLINT[],
    "pickup_at" TIME(0) NOT NULL,
    "every" interval NOT NULL DEFAULT '7 days'::interval,
    "active_during" daterange NOT NULL,
    "items" JSONB NOT NULL,
    "is_paused" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "recurring_orders_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "orders"."orders" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "customer_id" UUID NOT NULL,
    "delivery_address_id" UUID,
    "recurring_order_id" UUID,
    "latest_status_id" BIGINT,
    "order_number" TEXT NOT NULL,
    "channel" "orders"."order_channel" NOT NULL,
    "placed_at" TIMESTAMPTZ(3) NOT NULL,
    "placed_from" INET,
    "due_on" DATE NOT NULL,
    "delivery_window" tstzrange,
    "net_amount" DECIMAL(12,2) NOT NULL,
    "tax_amount" DECIMAL(12,2) NOT NULL,
    "total_amount" DECIMAL(12,2) GENERATED ALWAYS AS ("net_amount" + "tax_amount") STORED,
    "currency" CHAR(3) NOT NULL DEFAULT 'EUR',
    "tags" TEXT[],
    "special_wishes" TEXT,

    CONSTRAINT "orders_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "orders"."order_status_history" (
    "id" BIGINT GENERATED ALWAYS AS IDENTITY,
    "order_id" UUID NOT NULL,
    "status" "orders"."order_status" NOT NULL,
    "changed_at" TIMESTAMPTZ(3) NOT NULL,
    "changed_by" UUID,
    "comment" TEXT,

    CONSTRAINT "order_status_history_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "orders"."order_items" (
    "order_id" UUID NOT NULL,
    "line_number" SMALLINT NOT NULL,
    "product_id" UUID NOT NULL,
    "product_name" TEXT NOT NULL,
    "quantity" DECIMAL(10,3) NOT NULL,
    "unit_price" DECIMAL(10,2) NOT NULL,
    "tax_rate" DECIMAL(5,4) NOT NULL,
    "line_total" DECIMAL(12,2) GENERATED ALWAYS AS (round("quantity" * "unit_price", 2)) STORED,

    CONSTRAINT "order_items_pkey" PRIMARY KEY ("order_id","line_number")
);

-- CreateTable
CREATE TABLE "orders"."order_item_options" (
    "order_id" UUID NOT NULL,
    "line_number" SMALLINT NOT NULL,
    "optionCode" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "surcharge" DECIMAL(10,2) NOT NULL DEFAULT 0,

    CONSTRAINT "order_item_options_pkey" PRIMARY KEY ("order_id","line_number","optionCode")
);

-- CreateTable
CREATE TABLE "orders"."order_payments" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "order_id" UUID NOT NULL,
    "method" "orders"."payment_method" NOT NULL,
    "amount" DECIMAL(12,2) NOT NULL,
    "provider_reference" TEXT,
    "provider_response" JSONB,
    "paid_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "order_payments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "orders"."order_feedback" (
    "order_id" UUID NOT NULL,
    "rating" SMALLINT NOT NULL,
    "comment" TEXT,
    "photo" BYTEA,
    "topics" TEXT[],
    "given_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "order_feedback_pkey" PRIMARY KEY ("order_id")
);

-- CreateTable
CREATE TABLE "orders"."invoices" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "order_id" UUID NOT NULL,
    "customer_id" UUID NOT NULL,
    "invoice_number" TEXT NOT NULL,
    "status" "orders"."invoice_status" NOT NULL DEFAULT 'issued',
    "issued_on" DATE NOT NULL,
    "recipient" JSONB NOT NULL,
    "net_amount" DECIMAL(12,2) NOT NULL,
    "tax_amount" DECIMAL(12,2) NOT NULL,
    "gross_amount" DECIMAL(12,2) GENERATED ALWAYS AS ("net_amount" + "tax_amount") STORED,
    "currency" CHAR(3) NOT NULL DEFAULT 'EUR',

    CONSTRAINT "invoices_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "orders"."invoice_lines" (
    "invoice_id" UUID NOT NULL,
    "line_number" SMALLINT NOT NULL,
    "supplied_on" DATE NOT NULL,
    "description" TEXT NOT NULL,
    "quantity" DECIMAL(10,3) NOT NULL,
    "unit_price" DECIMAL(10,2) NOT NULL,
    "tax_rate" DECIMAL(5,4) NOT NULL,
    "line_total" DECIMAL(12,2) GENERATED ALWAYS AS (round("quantity" * "unit_price", 2)) STORED,

    CONSTRAINT "invoice_lines_pkey" PRIMARY KEY ("invoice_id","line_number")
);

-- CreateIndex
CREATE UNIQUE INDEX "customers_tenant_id_customer_number_key" ON "orders"."customers"("tenant_id", "customer_number");

-- CreateIndex
CREATE INDEX "customer_addresses_customer_id_idx" ON "orders"."customer_addresses"("customer_id");

-- CreateIndex
CREATE INDEX "recurring_orders_tenant_id_idx" ON "orders"."recurring_orders"("tenant_id");

-- CreateIndex
CREATE INDEX "recurring_orders_customer_id_idx" ON "orders"."recurring_orders"("customer_id");

-- CreateIndex
CREATE INDEX "orders_tenant_id_due_on_idx" ON "orders"."orders"("tenant_id", "due_on");

-- CreateIndex
CREATE INDEX "orders_customer_id_idx" ON "orders"."orders"("customer_id");

-- CreateIndex
CREATE INDEX "orders_delivery_address_id_idx" ON "orders"."orders"("delivery_address_id");

-- CreateIndex
CREATE INDEX "orders_recurring_order_id_idx" ON "orders"."orders"("recurring_order_id");

-- CreateIndex
CREATE INDEX "orders_latest_status_id_idx" ON "orders"."orders"("latest_status_id");

-- CreateIndex
CREATE UNIQUE INDEX "orders_tenant_id_order_number_key" ON "orders"."orders"("tenant_id", "order_number");

-- CreateIndex
CREATE INDEX "order_status_history_order_id_changed_at_idx" ON "orders"."order_status_history"("order_id", "changed_at");

-- CreateIndex
CREATE INDEX "order_payments_tenant_id_paid_at_idx" ON "orders"."order_payments"("tenant_id", "paid_at");

-- CreateIndex
CREATE INDEX "order_payments_order_id_idx" ON "orders"."order_payments"("order_id");

-- CreateIndex
CREATE INDEX "invoices_order_id_idx" ON "orders"."invoices"("order_id");

-- CreateIndex
CREATE INDEX "invoices_customer_id_idx" ON "orders"."invoices"("customer_id");

-- CreateIndex
CREATE UNIQUE INDEX "invoices_tenant_id_invoice_number_key" ON "orders"."invoices"("tenant_id", "invoice_number");

-- AddForeignKey
ALTER TABLE "orders"."customer_addresses" ADD CONSTRAINT "customer_addresses_customer_id_fkey" FOREIGN KEY ("customer_id") REFERENCES "orders"."customers"("id") ON DELETE CASCADE ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "orders"."recurring_orders" ADD CONSTRAINT "recurring_orders_customer_id_fkey" FOREIGN KEY ("customer_id") REFERENCES "orders"."customers"("id") ON DELETE CASCADE ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "orders"."orders" ADD CONSTRAINT "orders_customer_id_fkey" FOREIGN KEY ("customer_id") REFERENCES "orders"."customers"("id") ON DELETE RESTRICT ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "orders"."orders" ADD CONSTRAINT "orders_delivery_address_id_fkey" FOREIGN KEY ("delivery_address_id") REFERENCES "orders"."customer_addresses"("id") ON DELETE SET NULL ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "orders"."orders" ADD CONSTRAINT "orders_recurring_order_id_fkey" FOREIGN KEY ("recurring_order_id") REFERENCES "orders"."recurring_orders"("id") ON DELETE NO ACTION ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "orders"."orders" ADD CONSTRAINT "orders_latest_status_id_fkey" FOREIGN KEY ("latest_status_id") REFERENCES "orders"."order_status_history"("id") ON DELETE NO ACTION ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "orders"."order_status_history" ADD CONSTRAINT "order_status_history_order_id_fkey" FOREIGN KEY ("order_id") REFERENCES "orders"."orders"("id") ON DELETE NO ACTION ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "orders"."order_items" ADD CONSTRAINT "order_items_order_id_fkey" FOREIGN KEY ("order_id") REFERENCES "orders"."orders"("id") ON DELETE CASCADE ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "orders"."order_item_options" ADD CONSTRAINT "order_item_options_order_id_line_number_fkey" FOREIGN KEY ("order_id", "line_number") REFERENCES "orders"."order_items"("order_id", "line_number") ON DELETE NO ACTION ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "orders"."order_payments" ADD CONSTRAINT "order_payments_order_id_fkey" FOREIGN KEY ("order_id") REFERENCES "orders"."orders"("id") ON DELETE RESTRICT ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "orders"."order_feedback" ADD CONSTRAINT "order_feedback_order_id_fkey" FOREIGN KEY ("order_id") REFERENCES "orders"."orders"("id") ON DELETE CASCADE ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "orders"."invoices" ADD CONSTRAINT "invoices_order_id_fkey" FOREIGN KEY ("order_id") REFERENCES "orders"."orders"("id") ON DELETE RESTRICT ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "orders"."invoices" ADD CONSTRAINT "invoices_customer_id_fkey" FOREIGN KEY ("customer_id") REFERENCES "orders"."customers"("id") ON DELETE RESTRICT ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "orders"."invoice_lines" ADD CONSTRAINT "invoice_lines_invoice_id_fkey" FOREIGN KEY ("invoice_id") REFERENCES "orders"."invoices"("id") ON DELETE CASCADE ON UPDATE NO ACTION;

ALTER TABLE "orders"."order_items" ADD CONSTRAINT "order_items_line_number_check" CHECK ("line_number" > 0);

ALTER TABLE "orders"."order_feedback" ADD CONSTRAINT "order_feedback_rating_check" CHECK ("rating" BETWEEN 1 AND 5);

ALTER TABLE "orders"."recurring_orders" ADD CONSTRAINT "recurring_orders_weekdays_check" CHECK ("weekdays" <@ ARRAY[1, 2, 3, 4, 5, 6, 7]::smallint[]);
