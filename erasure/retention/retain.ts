/** At purge: what has to be retained, and what it refers to, goes from the archives to where it rests until its date. */
import type { EngineContext } from '../context.js';
import { EngineError } from '../engine-types.js';
import { inRetained, RETAINED_ROWS } from '../install/retained-sql.js';
import { keyType } from '../install/text.js';
import type { Archive, LedgerRow } from '../ledger/record.js';
import type { Plan } from '../plan/types.js';
import { ident, label, literal, qualified } from '../quote.js';
import type { Session } from '../session/session.js';
import { archiveValues, type Hop, hopsBetween, type Stored } from './archived-keys.js';
import { dueSql } from './due.js';
import { merged, type Outcomes } from './outcome.js';

/** Whether archives hold rows that have to be retained before anything may be dropped. */
export function hasToRetain({ archives }: Pick<LedgerRow, 'archives'>): boolean {
  return archives.some(({ retention, rows, settled }) => retention !== undefined && rows > 0 && !settled);
}

/**
 * Copies, and notes in the ledger that it has: one transaction, so that it happens once, and nothing is dropped before.
 * Throws where an archive does not hold what the ledger says.
 */
export async function retainRows(context: EngineContext, session: Session, row: LedgerRow): Promise<void> {
  const plan = await context.plans.read(session);
  const archives = row.archives.filter(({ settled }) => !settled);
  const work = new Retaining(
    context,
    session,
    row,
    plan,
    await archiveValues(context, session, plan, archives),
  );
  await work.begin();
  await work.followPolicies();
  await work.followReferences();
  const outcome = await work.copy();
  await work.end();
  await context.ledger.update(session, row.id, {
    archives: row.archives.map((archive) => ({ ...archive, settled: true as const })),
    outcome: merged(row.outcome, outcome),
  });
}

class Retaining {
  /** Which archived rows are retained, until when, and why; gone with the transaction. */
  private readonly marks: string;

  constructor(
    private readonly context: EngineContext,
    private readonly session: Session,
    private readonly row: LedgerRow,
    private readonly plan: Plan,
    private readonly stored: readonly Stored[],
  ) {
    this.marks = qualified({ schema: context.declaration.letheSchema, name: `w${row.id}` });
  }

  async begin(): Promise<void> {
    await this.session.query(
      `CREATE TABLE ${this.marks} (archive int4, line tid, due timestamptz, why text, ground text, period text,
                                   round int4, PRIMARY KEY (archive, line))`,
      [],
      { table: this.context.declaration.letheSchema, privilege: 'CREATE' },
    );
  }

  async followPolicies(): Promise<void> {
    for (const [place, { archive, from, value }] of this.stored.entries()) {
      const { retention } = archive;
      if (retention === undefined) continue;
      const start = retention.from === 'deletion' ? null : value(retention.from.column, 'a');
      await this.session.query(
        `INSERT INTO ${this.marks}
         SELECT ${place}, a.ctid, ${dueSql(retention, start)}, 'policy', $1, $2, 0 FROM ${from} AS a`,
        [retention.ground, retention.period],
      );
    }
  }

  /** As often as something new is found, or something that has to stay for longer than was thought. */
  async followReferences(): Promise<void> {
    const hops = hopsBetween(this.plan, this.stored);
    for (let round = 1, found = 1; found > 0; round += 1) {
      await this.session.query(`ANALYZE ${this.marks}`);
      found = 0;
      for (const hop of hops) found += await this.follow(hop, round);
    }
  }

  private async follow({ child, parent, condition }: Hop, round: number): Promise<number> {
    const { rowCount } = await this.session.query(
      `INSERT INTO ${this.marks} AS known
       SELECT DISTINCT ON (p.ctid) ${this.stored.indexOf(parent)}, p.ctid, w.due, 'referred_to', w.ground, w.period, ${round}
         FROM ${this.marks} AS w JOIN ${child.from} AS c ON c.ctid = w.line
         JOIN ${parent.from} AS p ON ${condition}
        WHERE w.archive = ${this.stored.indexOf(child)} AND w.round >= ${round - 1}
        ORDER BY p.ctid, w.due DESC, w.ground
       ON CONFLICT (archive, line) DO UPDATE
          SET due = excluded.due, ground = excluded.ground, period = excluded.period, round = excluded.round
        WHERE excluded.due > known.due`,
      [],
      { table: label(parent.archive.table) },
    );
    return rowCount ?? 0;
  }

  async copy(): Promise<Outcomes> {
    let outcome: Outcomes = {};
    for (const [place, stored] of this.stored.entries()) {
      const marked = await this.marked(place, stored.archive);
      if (marked.rows === 0) continue;
      const copied = await this.copyFrom(place, stored);
      if (copied !== marked.rows) throw this.notExact(stored.archive, marked.rows, copied);
      const told = { retained: copied, grounds: marked.grounds, retainUntil: marked.until };
      outcome = merged(outcome, { [stored.label]: told });
    }
    return outcome;
  }

  private async marked(
    place: number,
    archive: Archive,
  ): Promise<{ rows: number; until: string | null; grounds: string[] }> {
    const { rows } = await this.session.query<{
      held: number;
      rows: number;
      until: string | null;
      grounds: string[];
    }>(
      `SELECT (SELECT count(*) FROM ${this.archiveName(archive)})::float8 AS held, count(*)::float8 AS rows,
              ${utc('max(due)')} AS until, COALESCE(array_agg(DISTINCT ground), '{}') AS grounds
         FROM ${this.marks} WHERE archive = $1`,
      [place],
    );
    const [found] = rows;
    if (found === undefined || found.held !== archive.rows)
      throw this.notExact(archive, archive.rows, found?.held ?? 0);
    return found;
  }

  private async copyFrom(place: number, { from, columns, label: table }: Stored): Promise<number> {
    const { declaration } = this.context;
    const names = columns.map(({ name }) => literal(name)).join(', ');
    // As text under the session's settings, which is exact and says nothing about today's column types.
    const values = columns.map(({ stored }) => `CAST(a.${stored} AS text)`).join(', ');
    const types = Object.fromEntries(columns.map(({ name, type }) => [name, type]));
    const { rowCount } = await this.session.query(
      `INSERT INTO ${qualified(inRetained(declaration, RETAINED_ROWS))}
              (tenant_id, job_id, table_name, why, ground, period, retain_until, content, types)
       SELECT $1::text::${keyType(declaration.tenant.type)}, $2, $3, w.why, w.ground, w.period, w.due,
              jsonb_object(ARRAY[${names}]::text[], ARRAY[${values}]::text[]), $4
         FROM ${this.marks} AS w JOIN ${from} AS a ON a.ctid = w.line WHERE w.archive = ${place}`,
      [this.row.tenantId, this.row.jobId, table, JSON.stringify(types)],
      {
        table: `${ident(inRetained(declaration, RETAINED_ROWS).schema)}.${RETAINED_ROWS}`,
        privilege: 'INSERT',
      },
    );
    return rowCount ?? 0;
  }

  async end(): Promise<void> {
    await this.session.query(`DROP TABLE ${this.marks}`);
  }

  private archiveName(archive: Archive): string {
    return qualified({ schema: this.context.declaration.letheSchema, name: archive.archive });
  }

  private notExact(archive: Archive, expected: number, found: number): EngineError {
    return new EngineError(
      'move_not_exact',
      `${label(archive.table)}: ${found} rows were found where ${expected} were to be retained or dropped. Nothing was dropped. Look at who writes to Lethe's schema.`,
      { table: label(archive.table) },
    );
  }
}

/** RFC 3339; null where there is no such day. */
function utc(time: string): string {
  return `CASE WHEN isfinite(${time}) THEN to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END`;
}
