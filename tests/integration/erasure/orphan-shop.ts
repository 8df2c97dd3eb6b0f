/** Tables with keys that are NOT VALID, and rows that refer to nothing by them; of the tenant and of a neighbour alike. */
import { expect } from 'vitest';
import type { Declaration } from '../../../erasure/declaration.js';
import type { EngineLimits } from '../../../erasure/engine-types.js';
import { ident } from '../../../erasure/quote.js';
import {
  archivesLeft,
  checksums,
  createErasureDatabase,
  type ErasureDatabase,
} from '../../support/erasure.js';
import { NEIGHBOUR, SMALL_SQL, smallRows, smallShop, TENANT } from './small-shop.js';

export const orphanShop: Declaration = {
  ...smallShop,
  tables: {
    ...smallShop.tables,
    'small.tags': { action: 'delete' },
    'small.stays': { action: 'delete' },
  },
};

// Of a tag the note may be the tenant's, the one above is; topics and places are nobody's. So wide that few fill a block.
const TABLES = `
CREATE DOMAIN small.area AS text;
CREATE TABLE small.places (area small.area, n int, PRIMARY KEY (area, n));
INSERT INTO small.places SELECT 'north ' || g, 1 FROM generate_series(1, 12) g;
CREATE TABLE small.stays (id int PRIMARY KEY, tenant_id uuid NOT NULL, area small.area, n int,
  pad text NOT NULL DEFAULT repeat('x', 1800));
CREATE TABLE small.tags (id int PRIMARY KEY, tenant_id uuid NOT NULL, note int NOT NULL, above int NOT NULL,
  topic int NOT NULL REFERENCES small.topics, pad text NOT NULL DEFAULT repeat('x', 1800));
ALTER TABLE small.notes DROP CONSTRAINT notes_topic_fkey;
CREATE INDEX ON small.stays (tenant_id); CREATE INDEX ON small.tags (tenant_id);`;

/** Orphans are two of five notes, six of twelve stays, and six of twelve tags, two of these by both keys. */
export const orphanRows = (tenantId: string, from: number) => `${smallRows(tenantId, from)}
UPDATE small.notes SET topic = 9 WHERE id IN (${from} + 1, ${from} + 2);
INSERT INTO small.stays SELECT ${from} + g, '${tenantId}', (ARRAY['north ', 'west '])[1 + g % 2] || g, 1 FROM generate_series(1, 12) g;
INSERT INTO small.tags SELECT ${from} + g, '${tenantId}', CASE WHEN g <= 4 THEN 9000 ELSE ${from} + 1 + g % 5 END,
  CASE WHEN g IN (3, 4, 11, 12) THEN 9000 + g WHEN g % 2 = 0 THEN ${from} + 12 ELSE ${from} + 3 END,
  CASE WHEN g IN (3, 12) THEN 8 ELSE 7 END FROM generate_series(1, 12) g`;

const KEYS = `
ALTER TABLE small.notes ADD CONSTRAINT notes_topic FOREIGN KEY (topic) REFERENCES small.topics NOT VALID;
ALTER TABLE small.stays ADD CONSTRAINT stays_place FOREIGN KEY (area, n) REFERENCES small.places MATCH FULL NOT VALID;
ALTER TABLE small.tags ADD CONSTRAINT tags_note FOREIGN KEY (note) REFERENCES small.notes NOT VALID;
ALTER TABLE small.tags ADD CONSTRAINT tags_above FOREIGN KEY (above) REFERENCES small.tags NOT VALID;`;

const NOT_VALID = ['notes_topic', 'stays_place', 'tags_above', 'tags_note'];

export const TINY: Partial<EngineLimits> = { singleTransactionRows: 0, chunkMs: 1 };
export const WAYS: [string, Partial<EngineLimits>][] = [
  ['at once', {}],
  ['in chunks', TINY],
];

export async function createOrphanShop(): Promise<ErasureDatabase> {
  const db = await createErasureDatabase({
    declaration: orphanShop,
    schema: SMALL_SQL + TABLES,
    fast: true,
  });
  await db.admin.query(orphanRows(NEIGHBOUR, 1000));
  await db.admin.query(orphanRows(TENANT, 0));
  await db.admin.query(KEYS);
  const role = ident(db.role);
  await db.admin.query(`GRANT UPDATE ON small.topics TO ${role}; GRANT SELECT ON small.places TO ${role}`);
  return db;
}

async function unvalidated({ admin }: ErasureDatabase): Promise<string[]> {
  const { rows } = await admin.query<{ name: string }>(
    `SELECT conname AS name FROM pg_constraint WHERE contype = 'f' AND NOT convalidated ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

/** Every row is as it was, no key has become valid, and nothing is left of a job. */
export async function expectUntouched(
  db: ErasureDatabase,
  before: Readonly<Record<string, string>>,
): Promise<void> {
  expect(await checksums(db.admin, orphanShop)).toEqual(before);
  expect(await unvalidated(db)).toEqual(NOT_VALID);
  expect(await archivesLeft(db)).toEqual([]);
}

/** Past all keys, as it once may have been written. */
export async function unchecked({ admin }: ErasureDatabase, sql: string): Promise<void> {
  await admin.query(`SET session_replication_role = replica; ${sql}; RESET session_replication_role`);
}

export async function maySilence(db: ErasureDatabase, may: boolean): Promise<void> {
  const role = ident(db.role);
  await db.admin.query(
    may
      ? `GRANT SET ON PARAMETER session_replication_role TO ${role}`
      : `REVOKE SET ON PARAMETER session_replication_role FROM ${role}`,
  );
}
