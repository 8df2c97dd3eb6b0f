/** Digests of archives, taken in SQL: rows do not pass through Node. */
import { randomBytes } from 'node:crypto';
import type { EngineContext } from '../context.js';
import { type ArchivedRows, archivedRows } from '../export/archived-rows.js';
import type { Archive, LedgerRow } from '../ledger/record.js';
import { label, literal, qualified } from '../quote.js';
import type { Session } from '../session/session.js';
import { addLanes, isDigested, isDone, keyFor, ZERO } from './lanes.js';
import type { ArchiveDigest, Digests, Lanes } from './types.js';

/** Some tenths of a second of work. */
const ROWS_PER_STEP = 50_000;
const ARCHIVES_PER_STEP = 50;

/**
 * Digests some of what is not digested yet, in the transaction that has locked the ledger's row. False where nothing
 * was left to do. `exported`: also over the rows as an export writes them.
 */
export async function digestStep(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
  exported: boolean,
): Promise<boolean> {
  const { archives, digests } = row;
  if (archives.length === 0 || isDigested(digests, archives, exported)) return false;
  const kept: Digests = digests ?? { key: randomBytes(32).toString('hex'), archives: {} };
  const parts = await partsOf(context, session, kept, archives, exported);
  const sources = await archivedRows(
    session,
    context.declaration,
    parts.map(({ archive }) => archive),
    exported,
  );
  const selects = parts.flatMap((part, place) => {
    const source = sources[place];
    return source === undefined ? [] : [selectOf(source, part, exported)];
  });
  const { rows } = await session.query<Sums>(selects.join(' UNION ALL '), [
    keyFor(kept.key, 'archive'),
    ...(exported ? [keyFor(kept.key, 'export')] : []),
  ]);
  const found = new Map(rows.map((sums) => [sums.archive, sums]));
  const done = parts.map(({ archive, next, before }) => {
    const sums = found.get(archive.archive);
    return [archive.archive, added(archive, before, next, sums, exported)] as const;
  });
  await context.ledger.update(session, row.id, {
    digests: { ...kept, archives: { ...kept.archives, ...Object.fromEntries(done) } },
  });
  return true;
}

/** Some blocks of an archive, or all of it. */
interface Part {
  readonly archive: Archive;
  readonly from: number;
  readonly next: number | null;
  readonly before: ArchiveDigest | null;
}

/** Several small archives, or a part of a large one: by its blocks, since it has no key. */
async function partsOf(
  context: EngineContext,
  session: Session,
  digests: Digests,
  archives: readonly Archive[],
  exported: boolean,
): Promise<Part[]> {
  const parts: Part[] = [];
  let rows = 0;
  for (const archive of archives) {
    const kept = digests.archives[archive.archive];
    if (isDone(kept, archive, exported)) continue;
    // What was digested without the exported form is digested anew.
    const goesOn = kept?.next != null && kept.of === archive.rows && (kept.exported !== null) === exported;
    const before = goesOn ? kept : null;
    if (archive.rows > ROWS_PER_STEP) {
      if (parts.length > 0) break;
      return [await blocksOf(context, session, archive, before)];
    }
    rows += archive.rows;
    if (parts.length > 0 && rows > ROWS_PER_STEP) break;
    parts.push({ archive, from: 0, next: null, before: null });
    if (parts.length === ARCHIVES_PER_STEP) break;
  }
  return parts;
}

async function blocksOf(
  context: EngineContext,
  session: Session,
  archive: Archive,
  before: ArchiveDigest | null,
): Promise<Part> {
  const name = qualified({ schema: context.declaration.letheSchema, name: archive.archive });
  const { rows } = await session.query<{ blocks: number }>(
    `SELECT (pg_relation_size(${literal(name)}::regclass) / current_setting('block_size')::int8)::float8 AS blocks`,
  );
  const blocks = rows[0]?.blocks ?? 0;
  const from = before?.next ?? 0;
  const end = from + Math.max(1, Math.ceil((blocks * ROWS_PER_STEP) / archive.rows));
  return { archive, from, next: end < blocks ? end : null, before };
}

interface Sums {
  readonly archive: string;
  readonly rows: number;
  readonly lanes: Lanes;
  readonly exported: Lanes | null;
}

/**
 * A row is hashed in the form in which PostgreSQL sends it: with a fixed number of columns and each one's length, no
 * row's form begins like another's, which a key in front of it relies on. So does JSON.
 */
function selectOf(source: ArchivedRows, { from, next }: Part, exported: boolean): string {
  const end = next === null ? '' : ` AND a.ctid < '(${next},0)'::tid`;
  const where = from === 0 && next === null ? '' : ` WHERE a.ctid >= '(${from},0)'::tid${end}`;
  const hash = (key: string, form: string) =>
    `('x' || encode(sha256(${key}::bytea || ${form}), 'hex'))::bit(256)`;
  const sums = (of: string) =>
    `ARRAY[${[1, 65, 129, 193].map((bit) => `COALESCE(sum(substring(${of} FROM ${bit} FOR 64)::bit(64)::int8), 0)::text`).join(', ')}]`;
  // Behind OFFSET 0 each hash is computed once, not once for each lane.
  return `SELECT ${literal(source.archive)} AS archive, count(*)::float8 AS rows, ${sums('h.archived')} AS lanes,
      ${exported ? sums('h.exported') : 'NULL'} AS exported
    FROM (SELECT ${hash('$1', 'record_send(s)')} AS archived
      ${exported ? `, ${hash('$2', `convert_to(${source.json}, 'UTF8')`)} AS exported` : ''}
      FROM ${source.from} CROSS JOIN LATERAL (SELECT ${source.all}) AS s
      ${exported ? `CROSS JOIN LATERAL (SELECT ${source.exported}) AS r` : ''}${where} OFFSET 0) AS h`;
}

function added(
  archive: Archive,
  before: ArchiveDigest | null,
  next: number | null,
  sums: Sums | undefined,
  exported: boolean,
): ArchiveDigest {
  return {
    table: label(archive.table),
    of: archive.rows,
    rows: (before?.rows ?? 0) + (sums?.rows ?? 0),
    lanes: addLanes(before?.lanes ?? ZERO, sums?.lanes ?? ZERO),
    exported: exported ? addLanes(before?.exported ?? ZERO, sums?.exported ?? ZERO) : null,
    next,
  };
}
