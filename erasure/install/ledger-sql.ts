/** The tables of Lethe's own schema. */
import type { Declaration } from '../declaration.js';
import { ident, qualified } from '../quote.js';
import { keyType } from './text.js';

/** Names in Lethe's schema. */
export const LEDGER = 'deletion_ledger';
export const TOMBSTONES = 'tenant_tombstones';

/** The schema, the ledger and the tombstones. */
export function ledgerSql(declaration: Declaration): string {
  const schema = declaration.letheSchema;
  const ledger = qualified({ schema, name: LEDGER });
  const tombstones = qualified({ schema, name: TOMBSTONES });
  const tenant = keyType(declaration.tenant.type);
  return `-- Lethe's own schema: the ledger, the tombstones and, while a job is open, its archives.
CREATE SCHEMA IF NOT EXISTS ${ident(schema)};
REVOKE ALL ON SCHEMA ${ident(schema)} FROM PUBLIC;

CREATE TABLE ${ledger} (
    id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    tenant_id ${tenant} NOT NULL,
    job_id uuid NOT NULL,
    state text NOT NULL
        CHECK (state IN ('staging', 'staged', 'restoring', 'restored', 'purging', 'purged')),
    plan_hash text,
    database_oid bigint NOT NULL,
    system_identifier text,
    archives jsonb NOT NULL DEFAULT '[]',
    saved_references jsonb NOT NULL DEFAULT '[]',
    skipped jsonb NOT NULL DEFAULT '[]',
    counts jsonb NOT NULL DEFAULT '{}',
    outcome jsonb NOT NULL DEFAULT '{}',
    rows_total bigint,
    progress jsonb,
    horizon xid8,
    horizon_passed_at timestamptz,
    waiting jsonb,
    upkeep jsonb,
    not_done jsonb NOT NULL DEFAULT '[]',
    digests jsonb,
    superseded_by uuid,
    break_glass jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    moved_at timestamptz,
    staged_at timestamptz,
    restored_at timestamptz,
    purged_at timestamptz,
    PRIMARY KEY (tenant_id, job_id)
);
COMMENT ON TABLE ${ledger} IS 'What each deletion job has done to each tenant here. Written by Lethe alone.';
-- Two requests at once open one job, not two.
CREATE UNIQUE INDEX deletion_ledger_one_open ON ${ledger} (tenant_id)
    WHERE state IN ('staging', 'staged', 'restoring', 'purging');

CREATE TABLE ${tombstones} (
    tenant_id ${tenant} NOT NULL,
    job_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, job_id)
);
COMMENT ON TABLE ${tombstones} IS 'Tenants that are being or have been erased. Written by Lethe alone.';`;
}
