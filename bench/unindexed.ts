/** A referencing column without an index: PostgreSQL's triggers read the whole table for every row that goes. */
import type pg from 'pg';
import type { Times } from './figures.js';
import { newJob, type Sites } from './sites.js';

export const UNINDEXED_RAW = 'raw DELETE, one referencing column unindexed';
export const UNINDEXED_STAGE = 'stage, the same column unindexed';

/** Rows that the triggers would read: more would take more than a minute or so. */
const MOST_ROWS_READ = 2_500_000_000;
/** Where PostgreSQL ended the statement for taking too long. */
const QUERY_CANCELED = '57014';

// The foreign key that only one index serves, and whose triggers would read the most.
const CANDIDATES = `
  SELECT i.indexrelid::regclass::text AS index, pg_get_indexdef(i.indexrelid) AS definition,
         n.nspname::text AS schema, k.conrelid::regclass::text AS child, p.reltuples::float8 * c.reltuples AS reads
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_index i ON i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1]
   WHERE k.contype = 'f' AND k.conparentid = 0 AND c.relkind = 'r' AND cardinality(k.conkey) = 1
     AND k.conrelid <> k.confrelid AND NOT i.indisunique AND p.reltuples::float8 * c.reltuples <= $1
     AND n.nspname = ANY ($2::text[])
     AND 1 = (SELECT count(*) FROM pg_index o WHERE o.indrelid = k.conrelid AND o.indkey[0] = k.conkey[1])
   ORDER BY reads DESC LIMIT 1`;

interface Candidate {
  readonly index: string;
  readonly definition: string;
  readonly schema: string;
  readonly child: string;
}

/** One service alone, the one with that key. The tenant's rows have been copied; they are there before and after. */
export async function measureUnindexed(
  sites: Sites,
  admin: pg.Client,
  tenantId: string,
  times: Times,
): Promise<string | null> {
  const { rows } = await admin.query<Candidate>(CANDIDATES, [MOST_ROWS_READ, sites.names()]);
  const [chosen] = rows;
  if (chosen === undefined) return null;
  const { index, definition, schema, child } = chosen;
  const one = sites.only(schema);
  await admin.query(`DROP INDEX ${index}`);
  try {
    const hashes = await one.planHashes();
    const job = newJob(tenantId);
    await times.measure(UNINDEXED_STAGE, () => one.reach(job, 'staged', hashes));
    await one.reach(job, 'restored');
    await one.vacuum();
    // Cut off, it took at least so long, and nothing is gone.
    const cut = await times.measure(UNINDEXED_RAW, () => one.delete(tenantId).then(() => false, isCutOff));
    if (!cut) await one.insert();
  } finally {
    await admin.query(definition);
  }
  return child;
}

function isCutOff(error: unknown): true {
  if ((error as { code?: unknown }).code === QUERY_CANCELED) return true;
  throw error;
}
